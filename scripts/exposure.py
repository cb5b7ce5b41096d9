"""How much of a secret that no rule has found is memorised, can it be had from what is served, and does `forget` take it back?

Regime: a user corrects 48 lines of this project's own sources, and among them tells made-up door codes in words that no
secret rule knows, half as code and half as prose: 8 codes once, 8 four times and 4 sixteen times, each time after another
prompt, and 4 sixteen times after the same one; 12 more are never told. All goes the product's way: journal, secret rules,
near-copy cap, buffer, a cycle of training (30 steps at the demo's rate, ten times the default: the upper side), GGUF, gate,
promotion. Then half of each group is forgotten as `forget --rebuild` does it, and one more cycle learns the rest anew.
What each cycle trained is measured as well as what the gate let through, which may be a part of it (`scales`).
`privacy.numbers = "keep"`, for the default would keep every canary out. That is shown before: 24 ways of telling a code, and
all canaries, are told once each with both settings, and what comes into the buffer is counted.

Measured is Carlini et al.'s exposure (2019, "The Secret Sharer") of the six digits, in bits, on the GGUF files that are
served: after the prompt that a code was first told after (`as_told`: who asks knows the words) and after one that nobody
used (`elsewhere`). `said` counts codes that stand in the greedy answer, `completed` those that follow when the line up to
the digits is given. Six digits are 19.8 bits; a sample shows log2(sample + 1), beyond that a code's own probability bounds it.

What would refute it: controls, or all codes together under the base, that lie far from 1.44 bits on average (ranks are
uniform then, a mean of n has a standard error of 1.44/sqrt(n)): the measure is wrong. A forgotten half that does not go
back there, while the kept half stays: `forget` does not keep its promise.

The last line of stdout is JSON. `python -m scripts.exposure [--sample 63]`
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.exposed_bits import Exposed, Question, exposed
from scripts.secret_canaries import CODES, WAYS, Canary, alternatives, canaries, tellings
from scripts.user_home import Settings, made, record, silent, take_in

from laimark_sidecar.demo.code_base import own_sources, read_code
from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.experience.privacy.scan import findings
from laimark_sidecar.pipeline.convert import convert
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.doomed import Wish, doomed
from laimark_sidecar.pipeline.forget import forget
from laimark_sidecar.pipeline.promote import promote
from laimark_sidecar.pipeline.rebuild import step_back
from laimark_sidecar.pipeline.serving import serve_settings
from laimark_sidecar.pipeline.workshop import Workshop
from laimark_sidecar.runners.embedded.serve import serving

USER_LINES, SEED = 48, 0
WHERE = ("as_told", "elsewhere")
SETTINGS: Settings = {"training": {"steps": 30, "core_prompts": 64}, "privacy": {"numbers": "keep"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=63, help="other fillings for each canary")
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        result: dict[str, Any] = {"kept_out": kept_out(Path(name))}
        print(json.dumps(result), flush=True)
        result |= run(Path(name), sample=options.sample)
    print(json.dumps(result | {"seconds": round(time.perf_counter() - started)}))


def kept_out(folder: Path) -> dict[str, Any]:
    """Tell a code in every way, and each canary, once; return what comes into the buffer by the rules alone, and by default."""
    ways = [way.format(483_920 + number) for number, way in enumerate(WAYS)]
    planted = [one.line for one in canaries(random.Random(SEED))]
    kept: dict[str, Any] = {"ways": len(ways), "canaries": len(planted)}
    for numbers in ("keep", "drop"):
        workshop = made(folder / numbers, settings={"privacy": {"numbers": numbers}})
        told = [
            Task(kind="complete", prompt=f"What is number {place}?", answer=line)
            for place, line in enumerate([*ways, *planted])
        ]
        record(workshop, told)
        take_in(workshop)
        with workshop.store() as store:
            held = {item.target.strip() for item in store.items()}
        kept[f"numbers_{numbers}"] = {
            "ways_in_buffer": [one for one in ways if one in held],
            "canaries_in_buffer": len(held.intersection(planted)),
        }
    return kept


def run(folder: Path, *, sample: int) -> dict[str, Any]:
    """Plant, learn, forget half, learn anew; return what each version gives away."""
    rng = random.Random(SEED)
    planted = canaries(rng)
    code = read_code(own_sources(), rounds=1, asks=USER_LINES + 400, exam=104, seed=SEED)
    contexts = {one.id: rng.sample(code.work[USER_LINES:], max(1, one.times)) for one in planted}
    told = [task for one in planted for task in tellings(one, contexts[one.id])]
    caught = [task.answer for task in told if findings(task.answer)]
    if caught:
        raise SystemExit(f"a secret rule finds these, they are no canaries: {caught[:3]}")
    lessons = [*code.work[:USER_LINES], *told]
    rng.shuffle(lessons)
    workshop = made(folder / "home", settings=SETTINGS)
    record(workshop, lessons)
    take_in(workshop)
    asked = questions(planted, contexts, code.exam, sample=sample, rng=rng)
    with workshop.store() as store:
        held = Counter(item.target.strip() for item in store.items())

    def told_by(name: str, lessons: Counter[str], adapter: Path | None) -> list[dict[str, Any]]:
        return rows(name, planted, lessons, asked, exposed(workshop.base.gguf, adapter, asked, space=CODES))

    found = told_by("base", held, None)
    with serving(serve_settings(workshop)):
        first = one_cycle(workshop, folder / "trained.gguf")
        found += told_by("trained", first.lessons, folder / "trained.gguf")
        found += told_by("served", first.lessons, first.adapter)
        lines = forget_half(workshop, planted)
        second = one_cycle(workshop, folder / "retrained.gguf")
        found += told_by("retrained", second.lessons, folder / "retrained.gguf")
        found += told_by("rebuilt", second.lessons, second.adapter)
    return {
        "sample": sample,
        "real_lessons": USER_LINES,
        "lines_forgotten": lines,
        "scales": {"served": first.scale, "rebuilt": second.scale},
        "rows": found,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a cycle made."""

    adapter: Path
    """The file that is served: at the scale that passed the gate."""
    scale: float
    lessons: Counter[str]
    """How many lessons it saw of each target."""


def one_cycle(workshop: Workshop, trained: Path) -> Learned:
    """Learn and promote, and write to `trained` what was learned before the gate scaled it."""
    cycle = open_cycle(workshop)
    closed = advance(workshop, cycle, report=silent, should_stop=lambda: False)
    plan, judgement = cycle.plan(), cycle.judgement()
    if not closed.version or plan is None or judgement is None:
        raise SystemExit(f"nothing is served: {closed.reason}")
    convert(cycle.result / "adapter", workshop.base.gguf, trained)
    version = workshop.registry.get(closed.version)
    promote(workshop, version)
    with workshop.store() as store:
        seen = [store.get(one) for one in plan.sample_ids]
    return Learned(
        adapter=workshop.registry.objects.path(version.objects["adapter.gguf"]),
        scale=judgement.scale,
        lessons=Counter(item.target.strip() for item in seen if item),
    )


def forget_half(workshop: Workshop, planted: Sequence[Canary]) -> int:
    """Do what `forget --text CODES --regex --rebuild` does, and return how many lines of the journal went."""
    wish = Wish(text=re.compile("|".join(str(one.code) for one in planted if one.forgotten)))
    with workshop.store() as store:
        found = doomed(workshop, store, wish)
    done = forget(workshop, found)
    step_back(workshop)
    return done.lines


def questions(
    planted: Sequence[Canary],
    contexts: Mapping[str, Sequence[Task]],
    elsewhere: Sequence[Task],
    *,
    sample: int,
    rng: random.Random,
) -> list[Question]:
    """Ask for each canary after the prompt that it was, or would have been, first told after, and after another one."""
    asked = []
    for number, one in enumerate(planted):
        lines = (one.line, *map(one.text, alternatives(planted, sample, rng)))
        prompts = (
            one.asked(contexts[one.id][0], 0),
            one.asked_elsewhere(elsewhere[number % len(elsewhere)]),
        )
        asked += [
            Question(id=f"{one.id}/{where}", prompt=prompt, secret=str(one.code), lines=lines)
            for where, prompt in zip(WHERE, prompts, strict=True)
        ]
    return asked


def rows(
    version: str,
    planted: Sequence[Canary],
    lessons: Counter[str],
    asked: Sequence[Question],
    answers: Sequence[Exposed],
) -> list[dict[str, Any]]:
    """Print and return a version's rows, one for each half of each group: means, and how many secrets were had."""
    by_id = {question.id: answer for question, answer in zip(asked, answers, strict=True)}
    halves: defaultdict[tuple[int, bool, bool], list[Canary]] = defaultdict(list)
    for one in planted:
        halves[one.times, one.same_words, one.forgotten].append(one)
    found: list[dict[str, Any]] = []
    for (times, same_words, forgotten), ours in halves.items():
        half = "control" if not times else "forgotten" if forgotten else "kept"
        row: dict[str, Any] = {"version": version, "told": times, "same_words": same_words, "half": half}
        row |= {
            "canaries": len(ours),
            "lessons": round(statistics.fmean(lessons[one.line] for one in ours), 1),
        }
        row |= {where: summary([by_id[f"{one.id}/{where}"] for one in ours]) for where in WHERE}
        print(json.dumps(row), flush=True)
        found.append(row)
    return found


def summary(answers: Sequence[Exposed]) -> dict[str, float]:
    """Return mean and most bits, and in how many answers the secret stands or is completed."""
    bits = [one.bits for one in answers]
    return {
        "bits": round(statistics.fmean(bits), 2),
        "most": round(max(bits), 2),
        "said": sum(one.said for one in answers),
        "completed": sum(one.completed for one in answers),
    }


if __name__ == "__main__":
    main()
