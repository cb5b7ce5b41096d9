"""The learning curve as a file."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from laimark_sidecar.reports.learning_curve import DPI, SIZE_INCHES, Point, draw_learning_curve

POINTS = (
    Point(cycle=0, exact=0.1, similarity=0.4, kl=0.0),
    Point(cycle=1, exact=0.3, similarity=0.6, kl=0.02),
)


def test_a_png_of_the_promised_size_appears(tmp_path: Path) -> None:
    path = draw_learning_curve(POINTS, tmp_path / "curve.png", title="code [x] $y")
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    # IHDR: width and height, big-endian, behind signature, length and type.
    assert struct.unpack(">II", content[16:24]) == tuple(round(inches * DPI) for inches in SIZE_INCHES)


def test_one_point_is_enough(tmp_path: Path) -> None:
    assert draw_learning_curve(POINTS[:1], tmp_path / "curve.png", title="base only").stat().st_size > 1000


def test_a_failed_drawing_keeps_the_old_picture_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="x"):
        # A title that matplotlib cannot set: mathematics that does not parse.
        draw_learning_curve(POINTS, path, title=r"$\nosuchmacro{x$")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "from pathlib import Path\n"
        "from laimark_sidecar.errors import MissingExtraError\n"
        "from laimark_sidecar.reports.learning_curve import draw_learning_curve\n"
        "try:\n"
        "    draw_learning_curve((), Path(sys.argv[1]), title='x')\n"
        "except MissingExtraError as error:\n"
        "    print(error.exit_code, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "curve.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == '12 pip install "laimark-sidecar[plots]"\n'
