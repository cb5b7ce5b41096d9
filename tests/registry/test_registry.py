from __future__ import annotations

import math
import random
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.registry.drafts import SetClock, added, draft
from tests.support.tools import HandClock

from laimark_sidecar.clock import SystemClock
from laimark_sidecar.errors import DataError, StateError
from laimark_sidecar.registry.check import check
from laimark_sidecar.registry.prune import MIN_AGE_S, prune
from laimark_sidecar.registry.registry import Registry

WRITER = Path(__file__).parent / "writer.py"


def test_a_version_reads_back_as_it_was_added(registry: Registry) -> None:
    version = replace(draft(registry, "a"), sample_ids=("1", "2"), tools={"torch": "2.9"}, expected="{}")
    registry.add(version)
    assert registry.get(version.name) == version
    assert registry.versions() == (version,)


def test_opening_again_finds_everything(registry: Registry, clock: SetClock) -> None:
    version = added(registry, "a")
    registry.set_refs({"latest": version.name}, reason="test")
    again = Registry.open(registry.folder, clock=clock)
    assert again.versions() == (version,)
    assert again.refs() == {"latest": version.name, "prev": ""}


def test_a_note_is_history_and_moves_nothing(registry: Registry) -> None:
    registry.note("looked")
    assert registry.refs() == {"latest": "", "prev": ""}
    (entry,) = registry.history()
    assert (entry.seq, entry.reason, entry.moves) == (1, "looked", ())
    assert check(registry) == ()


def test_adding_twice_is_harmless_and_adding_another_under_the_same_name_is_refused(
    registry: Registry,
) -> None:
    version = added(registry, "a")
    registry.add(version)
    with pytest.raises(StateError, match=r"named .* already"):
        registry.add(replace(version, seed=7))
    assert registry.get(version.name) == version


def test_a_version_without_its_objects_is_not_added(registry: Registry) -> None:
    version = replace(draft(registry, "a"), objects={"adapter.gguf": "0" * 64})
    with pytest.raises(StateError, match="missing"):
        registry.add(version)
    assert registry.versions() == ()


def test_a_version_without_its_parent_is_not_added(registry: Registry) -> None:
    with pytest.raises(StateError, match="me:nobody"):
        registry.add(draft(registry, "a", parent="me:nobody"))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../x"},
        {"name": "latest"},
        {"name": "me:a/b"},
        {"parent": "../x"},
        {"objects": {"../x": "0" * 64}},
        {"objects": {"adapter.gguf": "../x"}},
        {"metrics": {"gain": math.nan}},
        {"scale": math.inf},
        {"format": 2},
    ],
    ids=str,
)
def test_malformed_versions_are_refused(registry: Registry, changes: dict[str, str]) -> None:
    with pytest.raises(DataError):
        registry.add(replace(draft(registry, "a"), **changes))  # type: ignore[arg-type]
    assert registry.names() == ()


@pytest.mark.parametrize("name", ["../refs", "a/b:c", "me:\0", "me:" + "a" * 41])
def test_hostile_names_reach_no_file(registry: Registry, name: str) -> None:
    with pytest.raises(DataError):
        registry.get(name)


def test_versions_are_listed_newest_first(registry: Registry, clock: SetClock) -> None:
    names = []
    for salt in "abc":
        names.append(added(registry, salt).name)
        clock.time_s += 60
    assert [version.name for version in registry.versions()] == names[::-1]


def test_a_damaged_version_does_not_hide_the_others(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = added(registry, "a"), added(registry, "b")
    path = registry.folder / "versions" / (bad.name.replace(":", "@") + ".json")
    path.chmod(0o600)
    path.write_bytes(b"{")
    assert registry.versions() == (good,)
    assert caplog.records[0].__dict__["action"] == "registry.damaged-version"
    assert set(registry.names()) == {good.name, bad.name}


def test_a_name_is_dated_by_the_clock_and_never_given_twice(registry: Registry) -> None:
    first = added(registry, "same")
    second = registry.new_name(salt="same")
    assert first.name.startswith("me:2026-11-22-")
    assert second.startswith("me:2026-11-22-")
    assert second != first.name
    assert registry.new_name(prefix="work", salt="same").startswith("work:")


def test_a_name_in_the_history_is_not_given_again(registry: Registry) -> None:
    version = added(registry, "same")
    registry.set_refs({"latest": version.name}, reason="test")
    (registry.folder / "versions" / (version.name.replace(":", "@") + ".json")).unlink()
    assert registry.new_name(salt="same") != version.name


def test_a_ref_does_not_move_to_a_version_that_is_not_there(registry: Registry) -> None:
    version = added(registry, "a")
    with pytest.raises(StateError, match="me:nobody"):
        registry.set_refs({"latest": version.name, "prev": "me:nobody"}, reason="test")
    assert registry.refs() == {"latest": "", "prev": ""}


def test_every_move_is_in_the_history_with_who_and_why(registry: Registry, clock: SetClock) -> None:
    version = added(registry, "a")
    registry.set_refs({"latest": version.name}, reason="gate passed")
    registry.set_refs({"latest": ""}, reason="user asked")
    first, second = registry.history()
    assert (first.reason, second.reason) == ("gate passed", "user asked")
    assert first.time_s == clock.time_s
    assert first.who.startswith("test (pid ")
    assert (second.moves[0].before, second.moves[0].after) == (version.name, "")


def test_a_decision_on_stale_refs_moves_nothing(registry: Registry) -> None:
    first, second = added(registry, "a"), added(registry, "b")
    registry.set_refs({"latest": first.name}, reason="the other process", expected={"latest": ""})
    with pytest.raises(StateError, match="another process moved it"):
        registry.set_refs({"latest": second.name}, reason="late", expected={"latest": ""})
    assert registry.refs()["latest"] == first.name


def test_a_ref_resolves_to_its_version_and_the_base_to_none(registry: Registry) -> None:
    version = added(registry, "a")
    registry.set_refs({"latest": version.name}, reason="test")
    assert registry.resolve("me:latest") == version
    assert registry.resolve(version.name[-4:]) == version
    assert registry.resolve_name("prev") == ""
    with pytest.raises(StateError, match="base model"):
        registry.resolve("prev")


def test_a_lineage_ends_at_the_version_made_from_the_base(registry: Registry) -> None:
    first = added(registry, "a")
    second = added(registry, "b", parent=first.name)
    third = added(registry, "c", parent=second.name)
    added(registry, "d", parent=first.name)
    assert registry.lineage(third.name) == (third, second, first)
    assert registry.lineage("") == ()


def test_a_lineage_that_goes_in_a_circle_is_an_error(registry: Registry) -> None:
    first = added(registry, "a")
    second = added(registry, "b", parent=first.name)
    path = registry.folder / "versions" / (first.name.replace(":", "@") + ".json")
    path.chmod(0o600)
    path.write_text(path.read_text().replace('"parent": ""', f'"parent": "{second.name}"'))
    with pytest.raises(StateError, match="own ancestor"):
        registry.lineage(second.name)


def test_lost_refs_come_back_from_the_history(registry: Registry) -> None:
    version = added(registry, "a")
    expected = registry.set_refs({"latest": version.name}, reason="test")
    registry.refs_path.unlink()
    assert registry.rebuild_refs() == expected == registry.refs()


def test_a_checkout_is_made_from_the_objects(registry: Registry, tmp_path: Path) -> None:
    folder = registry.checkout(added(registry, "a"), tmp_path / "out")
    assert (folder / "adapter_model.safetensors").read_bytes() == b"a" * 100


def test_everything_is_owner_only(registry: Registry) -> None:
    version = added(registry, "a")
    registry.set_refs({"latest": version.name}, reason="test")
    for path in (registry.folder, *registry.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_thirty_kills_at_any_moment_lose_no_move_that_was_reported(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    registry = Registry.open(folder, clock=SystemClock())
    rng = random.Random(7)
    for attempt in range(30):
        with subprocess.Popen(
            [sys.executable, str(WRITER), str(folder), f"run {attempt}"], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            reported = [child.stdout.readline().strip()]
            time.sleep(rng.random() * 0.03)
            child.send_signal(signal.SIGKILL)
            reported += child.stdout.read().split()
        assert [problem for problem in check(registry) if problem.severity == "error"] == []
        moved = [move.after for entry in registry.history() for move in entry.moves if move.ref == "latest"]
        at = registry.refs()["latest"]
        assert (
            at == reported[-1] or at not in reported
        )  # the newest reported, or one whose report was cut off
        assert set(reported) <= {*moved, at}
        registry.checkout(registry.resolve("latest"), tmp_path / "out")
    later = HandClock(SystemClock().now_s() + 2 * MIN_AGE_S)  # what the killed left is no longer young
    prune(Registry.open(folder, clock=later), dry_run=False)
    registry.set_refs({"prev": ""}, reason="the next move mends the reflog")
    assert check(registry) == ()


def test_processes_that_move_refs_at_once_take_turns(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    children = [
        subprocess.Popen([sys.executable, str(WRITER), str(folder), salt, "12"], stdout=subprocess.DEVNULL)
        for salt in ("one", "two", "three")
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    registry = Registry.open(folder, clock=SystemClock())
    assert check(registry) == ()
    assert len(registry.versions()) == 36
    assert [entry.seq for entry in registry.history()] == list(range(1, 37))


FULL_DISK = """
import resource, sys
from pathlib import Path
from laimark_sidecar.clock import SystemClock
from laimark_sidecar.registry.registry import Registry
registry = Registry.open(Path(sys.argv[1]), clock=SystemClock())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    registry.set_refs({"latest": "", "prev": registry.refs()["latest"]}, reason="r" * 300)
    print("moved")
except OSError as error:
    print("refused")
"""


@pytest.mark.parametrize("room_bytes", [0, 100, 500, 900, 1500])
def test_a_disk_that_fills_up_at_any_byte_moves_all_refs_or_none(registry: Registry, room_bytes: int) -> None:
    version = added(registry, "a")
    registry.set_refs({"latest": version.name}, reason="before")
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(registry.folder), str(room_bytes)],
        capture_output=True,
        text=True,
        check=True,
    )
    moved = {"latest": "", "prev": version.name}
    assert registry.refs() == (moved if child.stdout == "moved\n" else {"latest": version.name, "prev": ""})
    registry.set_refs({"latest": version.name, "prev": ""}, reason="there is room again")
    assert [problem for problem in check(registry) if problem.severity == "error"] == []
    assert len(registry.history()) == (3 if child.stdout == "moved\n" else 1)


def test_a_removed_version_is_gone_its_objects_go_with_prune_and_what_is_served_stays(
    registry: Registry,
) -> None:
    kept, gone = added(registry, "a"), added(registry, "b")
    registry.set_refs({"latest": gone.name}, reason="test")
    with pytest.raises(StateError, match="still served as latest"):
        registry.remove(gone.name)
    registry.set_refs({"latest": kept.name}, reason="test")
    registry.remove(gone.name)
    assert registry.versions() == (kept,)
    assert [problem for problem in check(registry) if problem.severity == "error"] == []
    assert prune(registry, dry_run=False, min_age_s=-math.inf).paths
    assert check(registry) == ()
    with pytest.raises(StateError, match="no version is named"):
        registry.remove(gone.name)
