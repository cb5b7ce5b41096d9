from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.registry.drafts import added

from laimark_sidecar.registry.check import Problem, check, is_temporary
from laimark_sidecar.registry.intent import Intent
from laimark_sidecar.registry.registry import Registry


@pytest.fixture
def family(registry: Registry) -> Registry:
    """A registry of three generations that moved twice and is well."""
    first = added(registry, "a")
    second = added(registry, "b", parent=first.name)
    added(registry, "c", parent=second.name)
    registry.set_refs({"latest": first.name}, reason="first")
    registry.set_refs({"latest": second.name, "prev": first.name}, reason="second")
    return registry


def only(registry: Registry) -> Problem:
    """Return the one problem there is, which must come with a hint."""
    (problem,) = check(registry)
    assert problem.hint
    return problem


def version_file(registry: Registry, name: str) -> Path:
    path = registry.folder / "versions" / (name.replace(":", "@") + ".json")
    path.chmod(0o600)
    return path


def weights(registry: Registry, ref: str) -> Path:
    path = registry.objects.path(registry.resolve(ref).objects["adapter_model.safetensors"])
    path.chmod(0o600)
    return path


def test_a_healthy_registry_has_no_problems(family: Registry) -> None:
    assert check(family) == ()


def test_an_empty_registry_has_no_problems(registry: Registry) -> None:
    assert check(registry) == ()


@pytest.mark.parametrize("position", [0, 50, 99])
def test_a_flipped_byte_is_found_wherever_it_is(family: Registry, position: int) -> None:
    path = weights(family, "latest")
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    problem = only(family)
    assert problem.severity == "error"
    assert family.refs()["latest"] in problem.message


def test_a_missing_object_is_an_error_that_names_its_version(family: Registry) -> None:
    weights(family, "prev").unlink()
    problem = only(family)
    assert problem.severity == "error"
    assert f"adapter_model.safetensors of {family.refs()['prev']}" in problem.message


def test_a_flipped_byte_that_nobody_uses_is_a_warning(family: Registry) -> None:
    path = family.objects.path(family.objects.put_bytes(b"nobody's"))
    path.chmod(0o600)
    path.write_bytes(b"x")
    assert only(family).severity == "warning"


def test_a_truncated_version_is_an_error(family: Registry) -> None:
    path = version_file(family, family.refs()["latest"])
    path.write_bytes(path.read_bytes()[:100])
    problem = only(family)
    assert (problem.severity, problem.where) == ("error", family.refs()["latest"])


def test_a_version_of_a_newer_format_hints_at_the_upgrade(family: Registry) -> None:
    path = version_file(family, family.refs()["latest"])
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    assert "upgrade" in only(family).hint


def test_a_version_under_another_ones_name_is_an_error(family: Registry) -> None:
    other = version_file(family, family.refs()["prev"]).read_bytes()
    version_file(family, family.refs()["latest"]).write_bytes(other)
    assert "holds" in only(family).message


def test_a_ref_to_nowhere_and_an_orphan_are_errors(family: Registry) -> None:
    version_file(family, family.refs()["prev"]).unlink()
    found = check(family)
    assert {problem.where for problem in found} == {"prev", family.refs()["latest"]}
    assert all(problem.severity == "error" for problem in found)


def test_damaged_refs_are_an_error_that_the_rebuild_mends(family: Registry) -> None:
    expected = family.refs()
    family.refs_path.write_bytes(b"{")
    assert only(family).where == "refs.json"
    assert family.rebuild_refs() == expected
    assert check(family) == ()


def test_refs_that_were_edited_by_hand_are_an_error(family: Registry) -> None:
    content = json.loads(family.refs_path.read_text())
    content["refs"]["latest"] = ""
    family.refs_path.write_text(json.dumps(content))
    assert "not where the reflog left them" in only(family).message


def test_a_rewritten_history_is_an_error(family: Registry) -> None:
    family.reflog_path.write_bytes(family.reflog_path.read_bytes().replace(b'"first"', b'"other"'))
    assert "changed after it was written" in only(family).message


def test_a_reflog_cut_short_by_two_moves_is_an_error(family: Registry) -> None:
    family.reflog_path.write_bytes(b"")
    assert only(family).severity == "error"


def test_a_reflog_that_lags_by_the_newest_move_is_a_warning_that_the_next_move_mends(
    family: Registry,
) -> None:
    lines = family.reflog_path.read_bytes().splitlines(keepends=True)
    family.reflog_path.write_bytes(lines[0] + lines[1][:40])
    assert only(family).severity == "warning"
    family.set_refs({"prev": ""}, reason="third")
    assert check(family) == ()


def test_an_unfinished_intent_is_a_warning(family: Registry) -> None:
    family.intent.begin(
        Intent(kind="rollback", target="", previous_latest="me:a", previous_prev="", created_s=1.0)
    )
    assert "rollback of base" in only(family).message
    family.intent.path.write_bytes(b"")
    assert only(family).severity == "error"
    assert "the refs decide" in only(family).hint
    place = family.intent.set_aside(now_s=0.0)
    assert (only(family).severity, only(family).where) == ("warning", place.name)
    assert "set aside" in only(family).message


@pytest.mark.parametrize(
    "where", ["notes.txt", "versions/notes.txt", "objects/notes.txt", "objects/ab/cd", "extra/x"]
)
def test_files_that_do_not_belong_here_are_warnings(family: Registry, where: str) -> None:
    path = family.folder / where
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    found = check(family)
    assert found
    assert all(problem.severity == "warning" and "belong" in problem.message for problem in found)


def test_leftovers_of_an_interrupted_write_are_warnings(family: Registry) -> None:
    (family.folder / "objects" / ".x.tmp").touch(mode=0o600)
    assert "interrupted" in only(family).message
    assert is_temporary(Path(".x.tmp"))
    assert not is_temporary(Path("x.tmp"))


def test_files_that_others_may_open_are_warnings(family: Registry) -> None:
    family.reflog_path.chmod(0o644)
    assert "644" in only(family).message


def test_errors_come_before_warnings(family: Registry) -> None:
    (family.folder / "notes.txt").touch(mode=0o600)
    weights(family, "latest").unlink()
    assert [problem.severity for problem in check(family)] == ["error", "warning"]
