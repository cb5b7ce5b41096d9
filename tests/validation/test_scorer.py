from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from tests.support.lora import write_lora

from laimark_sidecar.errors import RunnerError
from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.runners.embedded.client import EmbeddedRunner
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.embedded.settings import ServeSettings
from laimark_sidecar.validation.fingerprint import (
    FINGERPRINT_PROMPT,
    FINGERPRINT_TOKENS,
    FINGERPRINT_TOP,
    distance,
)
from laimark_sidecar.validation.scorer import (
    Candidate,
    ScoreItem,
    ScoreJob,
    ScoreProgress,
    ScoringStoppedError,
    fingerprint,
    main,
    score,
)

MESSAGES = (Message(role="user", content="hi"),)


def _item(number: int, target: str = "hello") -> ScoreItem:
    return ScoreItem(id=f"i{number}", messages=MESSAGES, target=target)


@pytest.fixture(scope="module")
def lora(demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(demo_gguf, tmp_path_factory.mktemp("lora") / "a.gguf", seed=3)


def test_child_scores_every_candidate_on_every_item_and_tells_how_far_it_is(
    demo_gguf: Path, lora: Path, tmp_path: Path
) -> None:
    seen: list[ScoreProgress] = []
    job = ScoreJob(
        base_gguf=str(demo_gguf),
        candidates=(Candidate(name="base"), Candidate(name="new", adapter_gguf=str(lora))),
        items=(_item(1), _item(2, "word " * 3000), _item(3, "")),
        kl_items=(_item(4, ""),),
        threads=1,
    )
    scores = score(job, tmp_path, on_progress=seen.append)
    assert [(entry.id, entry.candidate) for entry in scores.items] == [
        ("i1", "base"),
        ("i1", "new"),
        ("i3", "base"),
        ("i3", "new"),
    ]
    assert [entry.candidate for entry in scores.kl] == ["base", "new"]
    assert scores.kl[0].kl == 0 < scores.kl[1].kl
    assert scores.left_out == ("i2",)
    assert [entry.candidate for entry in scores.fingerprints] == ["base", "new"]
    assert seen == [ScoreProgress(done=done, total=4) for done in (1, 2, 3, 4)]


def test_adapter_that_crashes_llama_cpp_only_kills_the_child(demo_gguf: Path, tmp_path: Path) -> None:
    bad = write_lora(demo_gguf, tmp_path / "bad.gguf", embeddings=True)
    job = ScoreJob(
        base_gguf=str(demo_gguf),
        candidates=(Candidate(name="bad", adapter_gguf=str(bad)),),
        items=(_item(1),),
    )
    with pytest.raises(RunnerError, match=r"crashes llama\.cpp \(SIGABRT"):
        score(job, tmp_path / "work")


def test_reason_of_a_failed_child_is_told(tmp_path: Path) -> None:
    job = ScoreJob(base_gguf=str(tmp_path / "none.gguf"), candidates=())
    with pytest.raises(RunnerError, match=r"none\.gguf does not exist") as caught:
        score(job, tmp_path / "work")
    assert "scorer.log" in caught.value.hint


def test_scoring_stops_when_asked_and_leaves_no_result(demo_gguf: Path, tmp_path: Path) -> None:
    job = ScoreJob(
        base_gguf=str(demo_gguf),
        candidates=(Candidate(name="base"),),
        items=tuple(_item(number) for number in range(5000)),
        threads=1,
    )
    seen: list[ScoreProgress] = []
    with pytest.raises(ScoringStoppedError):
        score(job, tmp_path, on_progress=seen.append, should_stop=lambda: len(seen) > 3)
    assert not (tmp_path / "scores.json").exists()


def test_result_of_an_earlier_job_is_never_taken_for_this_one(demo_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"items":[],"kl":[],"fingerprints":[]}')
    with pytest.raises(ScoringStoppedError):
        score(ScoreJob(base_gguf=str(demo_gguf), candidates=()), tmp_path, should_stop=lambda: True)
    assert not (tmp_path / "scores.json").exists()


def test_malformed_job_is_a_reason_not_a_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    job = tmp_path / "job.json"
    job.write_text("{}")
    assert main([str(job), str(tmp_path / "scores.json")]) != 0
    assert capfd.readouterr().err.startswith("malformed ScoreJob")


def test_served_version_answers_as_its_fingerprint_says_and_others_do_not(
    demo_gguf: Path, lora: Path, tmp_path: Path
) -> None:
    expected = fingerprint(demo_gguf, lora, tmp_path / "work", threads=1)
    question = (Message(role="user", content=FINGERPRINT_PROMPT),)
    settings = ServeSettings(
        base_path=demo_gguf, base_name="demo", port=0, token="t", threads=1, adapters={"me:1": lora}
    )
    with serving(settings) as url:
        runner = EmbeddedRunner(url, "t")
        replies = {
            name: runner.generate(name, question, max_tokens=FINGERPRINT_TOKENS, logprobs=FINGERPRINT_TOP)
            for name in ("me:1", "demo")
        }
    assert distance(expected, replies["me:1"].tokens) < 1e-3
    assert distance(expected, replies["demo"].tokens) > 0.1


def test_a_module_in_the_user_s_folder_is_not_taken_for_one_of_ours(
    demo_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('the wrong msgspec')")
    monkeypatch.chdir(tmp_path)
    job = ScoreJob(base_gguf=str(demo_gguf), candidates=(Candidate(name="base"),), items=(_item(1),))
    assert len(score(job, tmp_path / "work").items) == 1


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for children in Linux's /proc")
def test_the_child_does_not_hear_the_terminal_s_interrupt(demo_gguf: Path, tmp_path: Path) -> None:
    groups: list[int] = []

    def look() -> bool:
        for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                groups.append(os.getpgid(int(child)))
        return False

    job = ScoreJob(base_gguf=str(demo_gguf), candidates=(Candidate(name="base"),), items=(_item(1),))
    score(job, tmp_path / "work", should_stop=look)
    assert groups
    assert os.getpgid(0) not in groups
