from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laimark_sidecar.bench.lab import Lab
from laimark_sidecar.bench.lessons import bare_items
from laimark_sidecar.bench.scoring import NOTHING, Asked, Scores, score, score_once

LabMaker = Callable[[Path], Lab]


def test_an_item_scores_the_same_alone_and_padded_beside_longer_ones(
    make_lab: LabMaker, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path)
    items = (*bare_items(lab, lab.cycles[0], "new"), *bare_items(lab, lab.core_gold, "new"))
    assert len({len(item.ids) for item in items}) > 1
    together = score(lab.backend, items)
    for number, item in enumerate(items):
        assert score(lab.backend, [item]).nll[0] == pytest.approx(together.nll[number], abs=1e-4)


def test_the_base_is_no_distance_from_itself_and_its_own_answers_are_its_likeliest(
    make_lab: LabMaker, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path)
    found = score(lab.backend, bare_items(lab, lab.core_exam, "core"))
    assert max(found.kl) < 1e-5
    assert found.exact == (1.0,) * len(lab.core_exam)
    assert all(entropy > 0.0 for entropy in found.entropy)


def test_nobody_asked_scores_nothing(make_lab: LabMaker, tmp_path: Path) -> None:
    assert score(make_lab(tmp_path).backend, ()) == NOTHING


def test_a_model_that_never_changes_is_asked_once_and_says_the_same(
    make_lab: LabMaker, tmp_path: Path
) -> None:
    lab = make_lab(tmp_path)
    own, right = bare_items(lab, lab.core_exam, "core"), bare_items(lab, lab.core_gold, "new")
    known: dict[Asked, Scores] = {}
    for items in (own, right, own[1:], right):
        assert score_once(lab.backend, items, known).nll == pytest.approx(
            score(lab.backend, items).nll, abs=1e-4
        )
    assert len(score_once(lab.backend, own, known).kl) == len(own)
    assert score_once(lab.backend, right, known).kl == ()
    asked = len(known)
    score_once(lab.backend, own, known)
    assert len(known) == asked
