from __future__ import annotations

from pathlib import Path

import pytest

from laimark_sidecar.bench.report import ArmReport, Spread

_PNG = b"\x89PNG"


def arm(name: str, kl: float) -> ArmReport:
    fields = ("personal_gain", "core_kept")
    return ArmReport(
        arm=name,
        seeds=(0,),
        final={"kl": Spread(mean=kl, by_seed=(kl,)), "personal_gain": Spread(mean=0.1, by_seed=(0.1,))},
        curve=tuple({"cycle": float(n), **dict.fromkeys(fields, n / 10)} for n in (1, 2, 3)),
        seconds_a_cycle=1.0,
    )


def test_every_plot_is_a_picture_named_after_its_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from laimark_sidecar.bench.plots import draw

    names = draw([arm("replay", 0.01), arm("rag", 4.0)], tmp_path, "learning_3")
    assert names == ["learning_3_tradeoff.png", "learning_3_curves.png"]
    assert all((tmp_path / name).read_bytes().startswith(_PNG) for name in names)
