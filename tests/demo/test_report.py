"""The closing table, picture and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.demo.courses import course_in, margin_of, round_in

from laimark_sidecar.demo.claims import claims
from laimark_sidecar.demo.report import curve, picture, rows, summary
from laimark_sidecar.demo.scenario import Course
from laimark_sidecar.registry.version import Version

PNG = b"\x89PNG\r\n\x1a\n"


def test_rows_show_base_tuned_and_gain(course: Course, version: Version) -> None:
    table = {row.what: row for row in rows(course, version, margin_of(0.1), 1_234_567)}
    exact = table["exact match, held-out files"]
    assert (exact.base, exact.tuned) == ("25.0%", "75.0%")
    assert exact.gain.startswith("+50.0 points (95% CI ")
    similar = table["edit similarity, held-out files"]
    assert (similar.base, similar.tuned) == ("55.0%", "95.0%")
    margin = table["held-out corrections, margin"]
    assert (margin.tuned, margin.gain) == ("+0.500 nats/token", "95% CI +0.250 to +0.750")
    assert table["right lines, held-out files, margin"].gain == "95% CI +0.100 to +0.500, n=40"
    assert table["core skills, margin"].gain == ""  # no interval was measured
    assert table["core skills, KL to the base"].tuned == "+0.020 nats/token"
    assert table["an optimiser step"].tuned == "0.25 s"
    assert table["size of the adapter"].tuned == "1.23 MB"


def test_without_a_version_the_rows_say_so(tmp_path: Path) -> None:
    course = course_in(tmp_path, round_in(tmp_path, 1, ending="rejected"))
    table = {row.what: row for row in rows(course, None, None, 0)}
    assert table["held-out corrections, margin"].tuned == "-"
    assert table["size of the adapter"].tuned == "-"


def test_the_picture_is_a_png(course: Course, tmp_path: Path) -> None:
    path = picture(course, tmp_path / "curve.png")
    assert path is not None
    assert path.read_bytes().startswith(PNG)


def test_a_rejected_cycle_leaves_the_drift_where_it_was(tmp_path: Path) -> None:
    course = course_in(
        tmp_path, round_in(tmp_path, 1, kl=0.02), round_in(tmp_path, 2, ending="rejected", kl=0.9)
    )
    assert [(point.cycle, point.kl) for point in curve(course)] == [(0, 0.0), (1, 0.02), (2, 0.02)]


def test_without_matplotlib_there_is_no_picture_and_no_failure(course: Course, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from pathlib import Path\n"
        "from tests.demo.courses import course_in\n"
        "from laimark_sidecar.demo.report import picture\n"
        "folder = Path(sys.argv[1])\n"
        "print(picture(course_in(folder), folder / 'curve.png'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "None\n"
    assert not (tmp_path / "curve.png").exists()


def test_the_summary_survives_json(course: Course, version: Version) -> None:
    found = claims(course, version, margin_of(0.1), kl_alarm=0.3, rolled_back=True, problems=0)
    told = json.loads(msgspec.json.encode(summary(course, version, margin_of(0.1), found, seconds=12.34)))
    assert told["seconds"] == 12.3
    assert told["exam_items"] == 40
    assert told["base"] == {"exact": 0.25, "similarity": pytest.approx(0.55)}
    assert [one["version"] for one in told["rounds"]] == ["me:2026-11-22-0001", "me:2026-11-22-0002"]
    assert told["gain_exact"]["mean"] == 0.5
    assert told["metrics"]["kl"] == 0.02
    assert all(claim["holds"] for claim in told["claims"])
