"""Asks EleutherAI's lm-eval of several served names. A program, run by its path: `python -P harness_child.py JOB RESULT`.

The interpreter may be another environment's, so nothing but the standard library and lm_eval is imported. One process
for all names: reading lm-eval's index of tasks takes longer than many a check. Written for lm_eval 0.4.13 (`simple_evaluate`,
`TaskManager`, the model `local-chat-completions`).

JOB and RESULT are the JSON of `harness.HarnessJob` and `harness.HarnessResult`. Questions and answers go neither there nor
to stdout: scores alone leave this process. stdout has one JSON line a step: `{"step": ..., "share": ...}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDED = ("lm_eval", "aiohttp", "requests", "tenacity", "tqdm")
"""The others are lm-eval's extra `api`, whose absence it would mention only once its tasks are read."""
GENERATES = "generate_until"
TIMEOUT_S = 1800
"""Of one answer: a large model without a GPU takes its time."""


class Failure(Exception):  # noqa: N818 - what the parent is told, not what went wrong here
    """An expected end without scores; `kind` as in `harness.Failure`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def main(arguments: Sequence[str]) -> int:
    """Ask, and write scores or why there are none. Anything unforeseen is a traceback on stderr and exit status 1."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    lines = sys.stdout

    def tell(step: str, share: float) -> None:
        lines.write(json.dumps({"step": step, "share": share}) + "\n")
        lines.flush()

    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries print what they like
            result = run(job, tell)
    except Failure as failure:
        result = {"failure": {"kind": failure.kind, "message": str(failure)}}
    Path(arguments[1]).write_text(json.dumps(result), encoding="utf-8")
    return 0


def run(job: Mapping[str, Any], tell: Callable[[str, float], None]) -> dict[str, Any]:
    """Return the scores of every name that the job asks."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Failure("missing", ", ".join(missing))
    import lm_eval

    tell("reading lm-eval's tasks", 0.0)
    manager = task_manager(job["tasks"], job["include_path"])
    names: Sequence[str] = job["names"]
    scores = {}
    for place, name in enumerate(names):

        def answered(share: float, place: int = place, name: str = name) -> None:
            tell(f"asking {name}", (place + share) / len(names))

        scores[name] = scores_of(name, job, manager, answered)
    return {"lm_eval": lm_eval.__version__, "scores": scores}


def task_manager(tasks: Sequence[str], include_path: str) -> Any:
    """Return lm-eval's index with all these tasks in it, the thousands that come with it only where they are needed."""
    from lm_eval.tasks import TaskManager

    if include_path:
        own = TaskManager(include_path=include_path, include_defaults=False)
        if set(tasks) <= set(own.all_tasks):
            return own
    manager = TaskManager(include_path=include_path or None)
    unknown = [task for task in tasks if task not in manager.all_tasks]
    if unknown:
        raise Failure("task", f"lm-eval knows no task {', '.join(unknown)}")
    return manager


def loaded(tasks: Sequence[str], manager: Any) -> Any:
    """Return the tasks with their data, fresh: lm-eval keeps the answers in them."""
    try:
        found = manager.load(list(tasks))
    except ModuleNotFoundError as error:
        raise Failure("task", f"a task needs a package that is not installed: {error}") from error
    except Exception as error:  # datasets raises errors of many kinds for data that is not there
        if is_absent(error):
            raise Failure("data", str(error)) from error
        raise
    likelihoods = [name for name, task in found["tasks"].items() if task.OUTPUT_TYPE != GENERATES]
    if likelihoods:
        raise Failure("likelihood", ", ".join(likelihoods))
    return found


def is_absent(error: BaseException) -> bool:
    """Say whether an error, or what caused it, is data that is neither on this machine nor reachable."""
    absent = {"ConnectionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError", "DatasetNotFoundError"}
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in absent or isinstance(seen, FileNotFoundError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def scores_of(
    name: str, job: Mapping[str, Any], manager: Any, answered: Callable[[float], None]
) -> list[Any]:
    """Return what a served name scores on the job's tasks."""
    import requests
    from lm_eval import simple_evaluate

    tasks = loaded(job["tasks"], manager)["tasks"]
    try:
        results = simple_evaluate(
            model=model(name, job, answered),
            tasks=list(tasks.values()),
            task_manager=manager,
            limit=job["limit"] or None,
            log_samples=True,
            bootstrap_iters=0,
            apply_chat_template=True,
            # One turn, examples and all. In turns of their own the examples' answers would be turns of an assistant, which
            # a server that writes its requests down (Ollama can) passes off as conversation to learn from.
            fewshot_as_multiturn=False,
        )
    except requests.HTTPError as error:
        raise Failure("refused", f"{name}: {refusal(error)}") from error
    except requests.RequestException as error:
        raise Failure("refused", f"{name}: {error}") from error
    return [one for task in tasks for one in metrics(task, results)]


def model(name: str, job: Mapping[str, Any], answered: Callable[[float], None]) -> Any:
    """Return lm-eval's client of the runner, which tells after each answer which share of them it has."""
    from lm_eval.models.openai_completions import LocalChatCompletion

    class Counting(LocalChatCompletion):  # type: ignore[misc]  # lm_eval is untyped
        total, done = 1, 0

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            self.total = len(requests)
            answers: list[str] = super().generate_until(requests, disable_tqdm=True)
            return answers

        def model_call(self, *positional: Any, **named: Any) -> Any:
            answer = super().model_call(*positional, **named)
            self.done += 1
            answered(min(1.0, self.done / self.total))
            return answer

    # A header of one's own also keeps an OPENAI_API_KEY that is meant for somebody else from being sent.
    return Counting(model=name, base_url=job["url"], header=job["headers"], timeout=TIMEOUT_S, max_retries=2)


def refusal(error: Any) -> str:
    """Return what a server said in OpenAI's shape when it refused, else the status alone."""
    try:
        return str(error.response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


def metrics(task: str, results: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield each metric of a task under each filter, with the score of every question where that is one number."""
    for key, value in results["results"][task].items():
        metric, _, filtered = key.partition(",")
        if not filtered or metric.endswith("_stderr") or number(value) is None:
            continue
        asked = [one for one in results["samples"][task] if one["filter"] == filtered]
        scores = [number(one.get(metric)) for one in asked]
        yield {
            "task": task,
            "metric": metric,
            "filter": filtered,
            "value": number(value),
            "higher_is_better": results["higher_is_better"].get(task, {}).get(metric),
            "questions": [one["doc_id"] for one in asked],
            "scores": [] if None in scores else scores,
        }


def number(value: Any) -> float | None:
    """Return a number, a truth value or a number of numpy's as a float; None for anything else."""
    if isinstance(value, (str, bytes, list, tuple, dict)) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
