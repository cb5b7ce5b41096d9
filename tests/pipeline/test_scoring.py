from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.homes import never, opened

from laimark_sidecar.journal.exchange import Message
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.scoring import BASE, PREVIOUS, pair, scored
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.validation.score_job import Candidate, ItemScore, ScoreItem, ScoreJob, Scores


def one(item: str, candidate: str, logprob: float, *, greedy: bool = False) -> ItemScore:
    return ItemScore(id=item, candidate=candidate, logprob=logprob, tokens=4, greedy=greedy)


def test_scores_of_an_item_are_brought_together() -> None:
    scores = Scores(
        items=(
            one("a", BASE, -8.0),
            one("a", "new", -4.0, greedy=True),
            one("b", BASE, -1.0),
            one("b", "new", -2.0),
            one("b", PREVIOUS, -3.0),
        ),
        kl=(),
        fingerprints=(),
    )
    first, second = pair(scores, "new")
    assert (first.id, first.margin, first.previous) == ("a", 1.0, None)
    assert (first.exact_base, first.exact_candidate) == (False, True)
    assert (second.margin, second.previous) == (-0.25, -3.0)


def job(gguf: Path) -> ScoreJob:
    item = ScoreItem(id="a", messages=(Message(role="user", content="hi"),), target="hello")
    return ScoreJob(base_gguf=str(gguf), candidates=(Candidate(name=BASE),), items=(item,), context=256)


def test_progress_is_reported_under_the_label_and_scratch_is_begun_anew(
    ready_home: Home, demo_gguf: Path, tmp_path: Path
) -> None:
    work = tmp_path / "scoring"
    work.mkdir()
    (work / "stale").touch()
    heard: list[tuple[str, float]] = []
    found = scored(
        opened(ready_home),
        job(demo_gguf),
        work,
        label="looking",
        report=lambda *news: heard.append(news),
        should_stop=never,
    )
    assert [score.id for score in found.items] == ["a"]
    assert heard == [("looking", 1.0)]
    assert not (work / "stale").exists()


def test_stop_is_a_yield(ready_home: Home, demo_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(Yielded, match="start again"):
        scored(
            opened(ready_home),
            job(demo_gguf),
            tmp_path / "w",
            label="x",
            report=lambda *_: None,
            should_stop=lambda: True,
        )
