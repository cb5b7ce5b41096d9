from __future__ import annotations

import json

import pytest

from laimark_sidecar.curriculum.language import language_of
from laimark_sidecar.paths import modelfiles


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the capital of Norway?", "en"),
        ("Wie heißt die Hauptstadt von Norwegen und was ist dort zu sehen?", "de"),
        ("Quelle est la capitale de la Norvège ?", "fr"),
        ("¿Cuál es la capital de Noruega y qué se ve?", "es"),
        ("Qual è la capitale della Norvegia e cosa si vede?", "it"),
        ("Qual é a capital da Noruega e o que não se vê?", "pt"),
        ("挪威的首都是哪里?", "zh"),
        ("ノルウェーの首都はどこですか。", "ja"),
        ("노르웨이의 수도는?", "ko"),
        ("Столица Норвегии?", "ru"),
        ("x = y + 1", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_by_script_or_common_words(text: str, language: str) -> None:
    assert language_of(text) == language


def test_most_shipped_prompts_are_told_right_and_few_wrong() -> None:
    lines = (modelfiles() / "core" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    told = [(row["language"], language_of(row["prompt"])) for row in rows]
    assert sum(wanted == found for wanted, found in told) / len(told) > 0.85
    assert sum(bool(found) and wanted != found for wanted, found in told) / len(told) < 0.05
