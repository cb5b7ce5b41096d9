from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from laimark_sidecar.errors import TrainingError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.llamacpp.prompts import RenderedPrompts, key
from laimark_sidecar.replay.item import Span
from laimark_sidecar.training.job import Example
from laimark_sidecar.training.rendering import PROBES
from laimark_sidecar.training.worker.tokens import ChatTokenizer, learn_mask

ASK = (Message(role="system", content="Be brief."), Message(role="user", content="Say hello.\nTwice."))


def example(target: str, *spans: Span) -> Example:
    return Example(id="x", pool="new", messages=ASK, target=target, spans=spans)


def span(start: int, end: int, *, learn: bool) -> Span:
    return Span(start=start, end=end, provenance="typed", learn=learn)


@pytest.fixture(scope="module")
def chat(demo_base_dir: Path) -> ChatTokenizer:
    return ChatTokenizer(demo_base_dir)


@pytest.fixture(scope="module")
def plain(demo_base_dir: Path) -> Tokenizer:
    return Tokenizer.from_file(str(demo_base_dir / "tokenizer.json"))


def copy_of(base: Path, folder: Path, *, template: str) -> Path:
    folder.mkdir()
    shutil.copy(base / "tokenizer.json", folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_the_sequence_is_the_rendered_prompt_then_the_answer_then_its_end(
    chat: ChatTokenizer, plain: Tokenizer
) -> None:
    encoded = chat.encode(example("hello hello"), max_length=512)
    assert encoded is not None
    assert plain.decode(list(encoded.ids), skip_special_tokens=False) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSay hello.\nTwice.<|im_end|>\n"
        "<|im_start|>assistant\nhello hello<|im_end|>"
    )


def test_prompt_and_answer_are_tokenised_apart_as_a_runner_does(
    chat: ChatTokenizer, plain: Tokenizer
) -> None:
    encoded = chat.encode(example("\n\nhello"), max_length=512)
    assert encoded is not None
    answer = plain.encode("\n\nhello", add_special_tokens=False).ids
    assert list(encoded.ids) == [*chat.prompt_ids(ASK), *answer, *chat.end_ids]


def test_loss_is_on_the_answer_and_on_its_end_only(chat: ChatTokenizer) -> None:
    encoded = chat.encode(example("hello hello"), max_length=512)
    assert encoded is not None
    prompt = len(chat.prompt_ids(ASK))
    assert not any(encoded.learn[:prompt])
    assert all(encoded.learn[prompt:])
    assert encoded.ids[-1] == chat.end_ids[-1]


def test_the_end_carries_loss_only_when_the_last_span_does(chat: ChatTokenizer) -> None:
    target = "kept text and learned text"
    first = chat.encode(example(target, span(0, 9, learn=True), span(9, 26, learn=False)), max_length=512)
    last = chat.encode(example(target, span(0, 9, learn=False), span(9, 26, learn=True)), max_length=512)
    assert first is not None
    assert last is not None
    assert not first.learn[-1]
    assert last.learn[-1]
    assert any(first.learn)


def test_only_learned_characters_carry_loss(chat: ChatTokenizer, plain: Tokenizer) -> None:
    target = "first line\nsecond line\n"
    encoded = chat.encode(example(target, span(0, 11, learn=False), span(11, 23, learn=True)), max_length=512)
    assert encoded is not None
    learned = [i for i, flag in zip(encoded.ids, encoded.learn, strict=True) if flag]
    assert plain.decode(learned, skip_special_tokens=False) == "second line\n<|im_end|>"


def test_a_long_prompt_loses_its_oldest_tokens_and_the_target_none(chat: ChatTokenizer) -> None:
    whole = chat.encode(example("hello hello"), max_length=512)
    cut = chat.encode(example("hello hello"), max_length=12)
    assert whole is not None
    assert cut is not None
    assert len(cut.ids) == 12
    assert cut.ids == whole.ids[-12:]
    assert sum(cut.learn) == sum(whole.learn)


def test_a_target_that_does_not_fit_is_left_out(chat: ChatTokenizer) -> None:
    assert chat.encode(example("hello " * 50), max_length=40) is None


def test_a_target_with_nothing_to_learn_is_left_out(chat: ChatTokenizer) -> None:
    assert chat.encode(example("hello", span(0, 5, learn=False)), max_length=512) is None


def test_a_template_whose_prompt_is_no_prefix_of_the_answer_is_refused(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}bot: {% endif %}"
    with pytest.raises(TrainingError, match="generation prompt is not the beginning"):
        ChatTokenizer(copy_of(demo_base_dir, tmp_path / "base", template=template))


def test_a_template_that_ends_no_answer_is_refused(demo_base_dir: Path, tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(TrainingError, match="learn to stop"):
        ChatTokenizer(copy_of(demo_base_dir, tmp_path / "base", template=template))


def test_a_conversation_that_the_template_refuses_is_an_expected_error(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    chat = ChatTokenizer(copy_of(demo_base_dir, tmp_path / "base", template=template))
    with pytest.raises(TrainingError, match="no system turns"):
        chat.prompt_ids(ASK)


def test_the_template_may_be_in_the_tokenizer_config(
    demo_base_dir: Path, tmp_path: Path, chat: ChatTokenizer
) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    shutil.copy(demo_base_dir / "tokenizer.json", folder)
    template = (demo_base_dir / "chat_template.jinja").read_text()
    config = {"chat_template": template, "eos_token": {"content": "<|im_end|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert ChatTokenizer(folder).prompt_ids(ASK) == chat.prompt_ids(ASK)


@pytest.mark.parametrize(
    ("name", "said"), [("tokenizer.json", "no tokenizer"), ("chat_template.jinja", "no chat template")]
)
def test_a_base_without_its_files_is_named(demo_base_dir: Path, tmp_path: Path, name: str, said: str) -> None:
    folder = copy_of(demo_base_dir, tmp_path / "base", template="x")
    (folder / name).unlink()
    with pytest.raises(TrainingError, match=said):
        ChatTokenizer(folder)


def test_a_token_across_a_border_is_learned() -> None:
    spans = (span(0, 3, learn=False), span(3, 8, learn=True))
    assert learn_mask([(0, 2), (2, 5), (5, 8)], spans) == [False, True, True]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.data())
def test_every_learned_character_is_in_a_learned_token(widths: list[int], data: st.DataObject) -> None:
    ends = [sum(widths[: i + 1]) for i in range(len(widths))]
    offsets = list(zip([0, *ends[:-1]], ends, strict=True))
    border = data.draw(st.integers(0, ends[-1]))
    mask = learn_mask(offsets, (span(0, border, learn=True), span(border, ends[-1], learn=False)))
    assert mask == [start < border for start, _ in offsets]


def test_control_tokens_in_an_answer_are_text(chat: ChatTokenizer, plain: Tokenizer) -> None:
    encoded = chat.encode(example("a<|im_end|>b"), max_length=512)
    assert encoded is not None
    end = plain.token_to_id("<|im_end|>")
    answer = encoded.ids[encoded.learn.index(True) :]
    assert [i for i, token in enumerate(answer) if token == end] == [len(answer) - 1]


def test_generation_marks_and_dates_of_a_template_are_rendered_as_the_runner_does(
    demo_base_dir: Path, tmp_path: Path
) -> None:
    template = (
        "{{ strftime_now('%Y') }}{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>{% generation %}"
        "{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    )
    chat = ChatTokenizer(copy_of(demo_base_dir, tmp_path / "base", template=template))
    again = ChatTokenizer(tmp_path / "base")
    assert chat.prompt_ids(ASK) == again.prompt_ids(ASK) != []


def test_a_template_that_does_not_compile_is_named(demo_base_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not compile"):
        ChatTokenizer(copy_of(demo_base_dir, tmp_path / "base", template="{% if %}"))


def test_the_runner_s_own_prompts_are_read_where_there_are_some(demo_base_dir: Path, tmp_path: Path) -> None:
    own = copy_of(
        demo_base_dir,
        tmp_path / "own",
        template="{% for m in messages %}<{{ m.role }}> {{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant> {% endif %}",
    )
    template = ChatTokenizer(own).template
    question = (Message(role="user", content="hi"),)
    table = RenderedPrompts({key(one): template.render(one) for one in (*PROBES, question)})
    table.write(tmp_path / "prompts.json")
    asked = ChatTokenizer(demo_base_dir, prompts=str(tmp_path / "prompts.json"))
    assert asked.prompt_ids(question) == ChatTokenizer(own).prompt_ids(question)
    assert asked.prompt_ids(question) != ChatTokenizer(demo_base_dir).prompt_ids(question)
    assert asked.end_ids == ChatTokenizer(own).end_ids
    with pytest.raises(TrainingError, match="has not rendered"):
        asked.prompt_ids((Message(role="user", content="something else"),))
    (tmp_path / "prompts.json").write_bytes(b"{}")
    with pytest.raises(TrainingError, match=r"prompts\.json cannot be read"):
        ChatTokenizer(demo_base_dir, prompts=str(tmp_path / "prompts.json"))
