"""The folder to train on, made from the served GGUF when training first needs it, and compared with it before use.

A folder without a passed comparison is never trained on. What was found is kept beside it: neither a good base nor a
bad one is compared twice.
"""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from laimark_sidecar.decoding import MalformedError, decode_json
from laimark_sidecar.errors import ConversionError
from laimark_sidecar.files import make_dir, write_atomic
from laimark_sidecar.logs import action
from laimark_sidecar.pipeline.base import MADE_FOLDER
from laimark_sidecar.pipeline.convert import make_training_base
from laimark_sidecar.pipeline.stopping import Yielded
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.training.fidelity import Fidelity, FidelityStoppedError, measure_fidelity

log = logging.getLogger(__name__)
NOTE = "training-base.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What the comparison of a made folder with its GGUF found, and what the folder was then."""

    gguf_sha256: str
    context: int
    """Window of the runner in tokens, for which it was made."""
    fidelity: Fidelity
    sizes: Mapping[str, int]
    """Bytes of every file: one that has another size now is damaged."""


def ensure_training_base(workshop: Workshop, *, report: Report, should_stop: ShouldStop) -> None:
    """Make `workshop.base.hf_dir` exist and be faithful; nothing happens where the user named a folder of his own.

    The first time it takes minutes and about 2 bytes a weight of disk, for which the folder of an earlier base is
    deleted; later calls look at file sizes only. A killed process leaves at most half a folder, which is made again.

    Raises:
        Yielded: `should_stop` said so; a folder that was not finished is made anew by the next call.
        ConversionError: it cannot be made, or does not compute what the runner computes; says which numbers.
        TrainingError: the two could not be compared.
        MissingExtraError: the training packages or llama.cpp are not there.
    """
    base = workshop.base
    if not base.hf_made:
        return
    note = base.cache / NOTE
    compared = compared_before(note)
    context = workshop.config.runner.context
    if compared is not None and (compared.gguf_sha256, compared.context) != (base.identity.sha256, context):
        shutil.rmtree(base.hf_dir, ignore_errors=True)  # some models compute something else in another window
    elif compared is not None:
        _require_faithful(compared.fidelity, base.gguf, note)
        if compared.sizes == _sizes(base.hf_dir):
            return
        log.warning(
            "%s is damaged and is made again", base.hf_dir, extra=action("base.training_base_damaged")
        )
        shutil.rmtree(base.hf_dir, ignore_errors=True)
    _make(workshop, report, should_stop)
    report("comparing the training base with the runner", 0.0)
    fidelity = _compare(workshop, should_stop)
    fresh = Compared(
        gguf_sha256=base.identity.sha256, context=context, fidelity=fidelity, sizes=_sizes(base.hf_dir)
    )
    write_atomic(note, msgspec.json.encode(fresh))
    if fidelity.flaw():
        shutil.rmtree(base.hf_dir)
    _require_faithful(fidelity, base.gguf, note)
    log.info(
        "the training base computes what is served: KL %.2g, largest difference %.2g",
        fidelity.kl,
        fidelity.difference,
        extra=action("base.training_base"),
    )


def compared_before(note: Path) -> Compared | None:
    """Return what an earlier comparison found; None where there was none, or its note is unreadable."""
    try:
        return decode_json(note.read_bytes(), Compared)
    except FileNotFoundError:
        return None
    except MalformedError as error:
        log.warning("%s is unreadable: comparing again: %s", note, error, extra=action("base.training_base"))
        return None


def _make(workshop: Workshop, report: Report, should_stop: ShouldStop) -> None:
    base = workshop.base
    if base.hf_dir.is_dir():
        return
    make_dir(base.cache)
    _drop_others(workshop)
    log.info("making the training base from %s", base.gguf, extra=action("base.training_base"))

    def progress(share: float) -> None:
        if should_stop():
            raise Yielded("making the training base gave way and will start again")
        report("making the training base", share)

    window = workshop.config.runner.context
    make_training_base(base.gguf, base.hf_dir, window=window, progress=progress)


def _drop_others(workshop: Workshop) -> None:
    """Delete the folders of bases that were trained on before: each is gigabytes, and is made again in minutes."""
    for name in (MADE_FOLDER, f".{MADE_FOLDER}.tmp"):
        for folder in workshop.home.bases.glob(f"*/{name}"):
            if folder.parent != workshop.base.cache:
                log.info(
                    "deleting the training base of an earlier base: %s", folder, extra=action("base.drop")
                )
                (folder.parent / NOTE).unlink(missing_ok=True)
                shutil.rmtree(folder)


def _compare(workshop: Workshop, should_stop: ShouldStop) -> Fidelity:
    base, training = workshop.base, workshop.config.training
    try:
        return measure_fidelity(
            base.hf_dir,
            base.gguf,
            base.cache / "comparison",
            python=training.python or sys.executable,
            context=workshop.config.runner.context,
            threads=training.threads,
            should_stop=should_stop,
        )
    except FidelityStoppedError as error:
        raise Yielded("comparing the training base gave way and will start again") from error


def _require_faithful(fidelity: Fidelity, gguf: Path, note: Path) -> None:
    if flaw := fidelity.flaw():
        raise ConversionError(
            f"{gguf}: what was made of it for training does not compute what the runner computes: {flaw}",
            hint=f"set base.hf to the Hugging Face folder of this model, or delete {note} to try again",
        )


def _sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.glob("*")}
