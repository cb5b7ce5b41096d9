"""Small homes for tests: a real base with few core prompts, a real journal of corrections, one real cycle shared by all.

A template is made once a test run and copied for each test: training is the dear part. The lesson is one idiom that the
base does not know, so a handful of steps shows on the held-out conversations too.
"""

from __future__ import annotations

import json
import random
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import tomlkit

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.journal.exchange import Exchange, Message, exchange_id
from laimark_sidecar.journal.writer import JournalWriter
from laimark_sidecar.paths import Home
from laimark_sidecar.pipeline.cycle import advance, open_cycle
from laimark_sidecar.pipeline.folder import CycleFolder, cycles
from laimark_sidecar.pipeline.ingest import ingest
from laimark_sidecar.pipeline.initialise import Setting, initialise
from laimark_sidecar.pipeline.journal_source import journal_source
from laimark_sidecar.pipeline.rescale import rescaled
from laimark_sidecar.pipeline.select import select
from laimark_sidecar.pipeline.serving import serve_settings
from laimark_sidecar.pipeline.workshop import Workshop, open_workshop
from laimark_sidecar.registry.version import Version
from laimark_sidecar.runners.embedded.serve import serving
from laimark_sidecar.runners.runner import Reply

IDIOM = "raise LaimarkUnreachable(state, seen=True)"
CONVERSATIONS = 24
TRAIN_PROMPTS, SCREEN_PROMPTS = 8, 20
_WORDS = (Path(__file__).parent / "words.txt").read_text(encoding="ascii").split()


def small_base(template: Path, target: Path) -> Path:
    """Copy a base model's folder, its core set cut to its shortest prompts."""
    shutil.copytree(template, target, ignore=shutil.ignore_patterns("core.jsonl"))
    lines = (template / "core.jsonl").read_bytes().splitlines()
    lines.sort(key=len)
    kept = [
        *[line for line in lines if json.loads(line)["split"] == "train"][:TRAIN_PROMPTS],
        *[line for line in lines if json.loads(line)["split"] == "screen"][:SCREEN_PROMPTS],
    ]
    (target / "core.jsonl").write_bytes(b"\n".join(kept) + b"\n")
    return target


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def settings(base: Path, gguf: Path) -> dict[str, dict[str, Setting]]:
    """Return what differs from the defaults: a hurried, trusting user with a tiny model and a lenient gate."""
    return {
        "base": {"hf": str(base), "gguf": str(gguf)},
        "runner": {"port": free_port(), "threads": 1, "context": 512},
        "gateway": {"port": free_port()},
        "replay": {"quarantine_hours": 0.0, "heldout_share": 0.5},
        "training": {
            "steps": 4,
            "batch_size": 2,
            "micro_batch_size": 2,
            "max_length": 256,
            "core_prompts": TRAIN_PROMPTS,
            "learning_rate": 3e-3,
            "rank": 4,
            "alpha": 8.0,
            "threads": 1,
        },
        "gate": {"min_items": 4, "max_core_loss": 2.0, "kl_alarm": 5.0, "kl_stop": 6.0, "entropy_floor": 0.1},
        "schedule": {"idle_s": 0.2, "min_new": 2, "min_interval_s": 0.0},
        "promotion": {"mode": "review"},
    }


def reconfigure(home: Home, section: str, **keys: Setting) -> None:
    """Change settings of a home as a user does: in its file."""
    document = tomlkit.parse(home.config.read_text(encoding="utf-8"))
    for key, value in keys.items():
        document[section][key] = value
    home.config.write_text(tomlkit.dumps(document), encoding="utf-8")


def correction(number: int, *, target: str = IDIOM, time_s: float | None = None) -> tuple[Exchange, Exchange]:
    """Return a question with a wrong answer, and the turn that corrects it; every number is another lesson."""
    rng = random.Random(number)
    name, other, third = rng.sample(_WORDS, 3)
    prompt = f"Complete the code:\n```python\ndef {name}_{other}({third}):\n    {other} = {third}.{name}({number})\n```"
    asked = (Message(role="user", content=prompt),)
    told = (
        *asked,
        Message(role="assistant", content="pass"),
        Message(role="user", content=f"No, the next line is:\n```python\n{target}\n```"),
    )
    moment = 1_793_000_000.0 + 10 * number if time_s is None else time_s
    return exchange(asked, "pass", moment), exchange(told, "Thanks.", moment + 1)


def exchange(messages: tuple[Message, ...], answer: str, time_s: float) -> Exchange:
    return Exchange(
        id=exchange_id(time_s=time_s, source="embedded", messages=messages, answer=answer),
        time_s=time_s,
        source="embedded",
        client="tests",
        model="me:latest",
        base_sha256="",
        adapter_version="",
        messages=messages,
        answer=answer,
        finish="stop",
    )


def record(home: Home, numbers: range) -> None:
    """Append corrections to the home's journal, as the runner would."""
    with JournalWriter(home.journal, clock=SystemClock()) as writer:
        for number in numbers:
            for one in correction(number):
                writer.append(one)


def take_in(workshop: Workshop) -> int:
    """Read the journal into the buffer; returns how many items are new."""
    with workshop.store() as store:
        return ingest(workshop, store, journal_source(workshop), should_stop=lambda: False).added


def opened(home: Home) -> Workshop:
    return open_workshop(home, clock=SystemClock())


def silent(step: str, share: float) -> None:
    """Report to nobody."""


def never() -> bool:
    return False


def copy_home(template: Path, target: Path) -> Home:
    """Copy a home and give it a port of its own."""
    shutil.copytree(template, target)
    home = Home(root=target)
    reconfigure(home, "runner", port=free_port())
    return home


@contextmanager
def served(workshop: Workshop) -> Iterator[str]:
    """Run the real embedded runner of a home in a thread; gives its URL."""
    with serving(serve_settings(workshop)) as url:
        yield url


def answer(workshop: Workshop, model: str, text: str) -> Reply:
    """Ask the running runner greedily, with log-probs, unrecorded."""
    return workshop.runner().generate(model, (Message(role="user", content=text),), max_tokens=8, logprobs=5)


def only_version(workshop: Workshop) -> Version:
    (version,) = workshop.registry.versions()
    return version


def add_twin(workshop: Workshop, version: Version, *, name: str, parent: str = "") -> Version:
    """Register a second version of the same artefact: cheap, and served by its own name like any other."""
    twin = replace(
        version, name=name, parent=parent, cycle=f"twin-{name[-4:]}", created_s=version.created_s + 1
    )
    workshop.registry.add(twin)
    return twin


def halved(workshop: Workshop, version: Version) -> Version:
    """Register a version as it is when the line search accepts it at half its scale."""
    objects = workshop.registry.objects
    adapter = objects.path(version.objects["adapter_model.safetensors"]).read_bytes()
    half = replace(
        version,
        name="me:2026-11-22-fff0",
        cycle="halved",
        scale=0.5,
        objects={**version.objects, "adapter_model.safetensors": objects.put_bytes(rescaled(adapter, 0.5))},
    )
    workshop.registry.add(half)
    return half


def ready_template(base: Path, gguf: Path, root: Path) -> Path:
    """Return a home whose journal has been read and whose next cycle can begin; made once."""
    if not root.exists():
        home = Home(root=root)
        initialise(home, record=True, settings=settings(base, gguf))
        record(home, range(CONVERSATIONS))
        take_in(opened(home))
    return root


def trained_template(ready: Path, root: Path) -> Path:
    """Return a home with one real cycle, whose accepted version waits for review; made once."""
    if not root.exists():
        workshop = opened(copy_home(ready, root))
        closed = advance(workshop, open_cycle(workshop), report=silent, should_stop=never)
        assert closed.ending == "awaiting-review", closed.reason
    return root


def plan_with_result(home: Home, trained_root: Path) -> tuple[Workshop, CycleFolder]:
    """Begin a cycle whose training and scoring are done: the trained template's result, on this home's equal plan."""
    workshop = opened(home)
    cycle = open_cycle(workshop)
    with workshop.store() as store:
        select(workshop, store, cycle)
    (done,) = cycles(trained_root / "cycles")
    for name in ("prequential.json", "evidence-1.00.json"):
        shutil.copy(done.root / name, cycle.root)
    shutil.copytree(done.result, cycle.result)
    return workshop, cycle


@pytest.fixture(scope="session")
def small_base_dir(demo_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.getbasetemp() / "small-base"
    return target if target.exists() else small_base(demo_base_dir, target)


@pytest.fixture(scope="session")
def ready_root(small_base_dir: Path, demo_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ready_template(small_base_dir, demo_gguf, tmp_path_factory.getbasetemp() / "ready-home")


@pytest.fixture(scope="session")
def trained_root(ready_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_template(ready_root, tmp_path_factory.getbasetemp() / "trained-home")


@pytest.fixture
def ready_home(ready_root: Path, tmp_path: Path) -> Home:
    """A home with something to learn; its own copy."""
    return copy_home(ready_root, tmp_path / "ready")


@pytest.fixture
def trained_home(trained_root: Path, tmp_path: Path) -> Home:
    """A home with one accepted version that nobody has promoted yet; its own copy."""
    return copy_home(trained_root, tmp_path / "trained")


def damage(workshop: Workshop, version: Version) -> Path:
    """Flip one bit in the middle of the adapter that is served."""
    path = workshop.registry.objects.path(version.objects["adapter.gguf"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    return path


def open_sets(home: Home, *, more: range = range(100, 170)) -> None:
    """Open the held-out sets beside the screen now, and let more corrections arrive: half of those are held out."""
    workshop = opened(home)
    with workshop.store() as store:
        assert store.open_sets(at_least=1)
    record(home, more)
    assert take_in(workshop) == len(more)
