"""Step 6 of a cycle: the validated artefact becomes an immutable version, with lineage and evidence."""

from __future__ import annotations

from pathlib import Path

from laimark_sidecar import __version__
from laimark_sidecar.pipeline.convert import dora_at
from laimark_sidecar.pipeline.folder import CycleFolder, Judgement, Plan
from laimark_sidecar.pipeline.judge import written
from laimark_sidecar.pipeline.learned import encode_learned
from laimark_sidecar.pipeline.rescale import replaced, rescaled
from laimark_sidecar.pipeline.scoring import scored
from laimark_sidecar.pipeline.workshop import Report, ShouldStop, Workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.training.adapter_kind import adapter_shape
from laimark_sidecar.training.jobfile import read_result
from laimark_sidecar.validation import evidence as evidence_file
from laimark_sidecar.validation.fingerprint import fingerprint_json
from laimark_sidecar.validation.score_job import Candidate, ScoreJob


def admitted(workshop: Workshop, cycle: CycleFolder) -> Version | None:
    """Return the version that the cycle has made, if it has."""
    return next((version for version in workshop.registry.versions() if version.cycle == cycle.id), None)


def admit(
    workshop: Workshop,
    cycle: CycleFolder,
    plan: Plan,
    judgement: Judgement,
    *,
    report: Report,
    should_stop: ShouldStop,
) -> Version:
    """Add the cycle's version to the registry and return it; a second call returns the same one.

    The registered GGUF is the very file that was scored: the converter writes equal bytes for equal input.

    Raises:
        Yielded: asked to stop before the version was complete.
        RunnerError: the file does not load any more.
    """
    known = admitted(workshop, cycle)
    if known:
        return known
    left_out = written(workshop, cycle, plan, judgement.scale)
    gguf = cycle.candidate(judgement.scale)
    shape = adapter_shape((cycle.result / "adapter" / "adapter_config.json").read_bytes())
    result = read_result(cycle.result)
    version = Version(
        name=workshop.registry.new_name(prefix=workshop.config.promotion.name, salt=cycle.id),
        created_s=workshop.clock.now_s(),
        parent=plan.grows_on,
        consolidation=plan.consolidation,
        base=workshop.base.identity,
        objects=_stored(workshop, cycle, plan, gguf, judgement.scale),
        cycle=cycle.id,
        sample_ids=plan.sample_ids,
        seed=plan.seed,
        scale=judgement.scale,
        core=evidence_file.read(cycle.evidence(judgement.scale)).core_set,
        core_records=plan.core_records,
        adapter=shape.kind,
        metrics=judgement.verdict.metrics | ({"rounded_away": left_out} if left_out else {}),
        verdict="accepted",
        expected=_expected(workshop, cycle, gguf, report=report, should_stop=should_stop),
        rendering_sha256=result.rendering_sha256,
        tools={"laimark-sidecar": __version__, **(result.tools or {})},
    )
    workshop.registry.add(version)
    return version


def _expected(
    workshop: Workshop, cycle: CycleFolder, gguf: Path, *, report: Report, should_stop: ShouldStop
) -> str:
    job = ScoreJob(
        base_gguf=str(workshop.base.gguf),
        candidates=(Candidate(name="fingerprint", adapter_gguf=str(gguf)),),
        threads=workshop.config.training.threads,
        context=workshop.config.runner.context,
    )
    scores = scored(
        workshop,
        job,
        cycle.root / "scoring",
        label="taking its fingerprint",
        report=report,
        should_stop=should_stop,
    )
    return fingerprint_json(scores.fingerprints[0])


def weights_at(workshop: Workshop, adapter: Path, scale: float) -> bytes:
    """Return the adapter_model.safetensors of a PEFT folder with the line search's factor folded in.

    Raises:
        DataError, ConversionError: it is damaged, or no such adapter.
    """
    content = (adapter / "adapter_model.safetensors").read_bytes()
    if adapter_shape((adapter / "adapter_config.json").read_bytes()).kind == "dora" and scale != 1.0:
        return replaced(content, dora_at(adapter, workshop.base.gguf, scale))
    return rescaled(content, scale)


def _stored(workshop: Workshop, cycle: CycleFolder, plan: Plan, gguf: Path, scale: float) -> dict[str, str]:
    put = workshop.registry.objects
    adapter = cycle.result / "adapter"
    objects = {
        "adapter.gguf": put.put_file(gguf),
        # The next cycle goes on from what is served, so the scale is folded into the PEFT folder as well.
        "adapter_model.safetensors": put.put_bytes(weights_at(workshop, adapter, scale)),
        "adapter_config.json": put.put_file(adapter / "adapter_config.json"),
        "evidence.json": put.put_file(cycle.evidence(scale)),
        "verdict.json": put.put_file(cycle.verdict),
        "learned.json": put.put_bytes(encode_learned(plan.learned)),
    }
    curvature = cycle.result / "curvature.safetensors"
    if curvature.is_file():
        objects["curvature.safetensors"] = put.put_file(curvature)
    return objects
