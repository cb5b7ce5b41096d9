"""The scripted user: a plain HTTP client of the runner who asks, and types the right line when the answer is wrong."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from laimark_sidecar.demo.code_tasks import Task
from laimark_sidecar.errors import RunnerError

MAX_TOKENS = 48
TIMEOUT_S = 60.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The runner is on this machine: a proxy from the environment has no business in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What happened while the user worked."""

    asked: int
    right: int
    corrected: int


class Client:
    """Talks to any OpenAI-compatible server, as existing clients do; knows nothing of the sidecar."""

    def __init__(self, url: str, *, record: bool = True) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", "User-Agent": "demo-user/1.0"}
        if not record:
            self._headers["X-Laimark-Record"] = "off"

    def chat(self, model: str, messages: Sequence[dict[str, str]]) -> str:
        """Return the answer to a conversation, decoded greedily.

        Raises:
            RunnerError: the server is gone or refuses; quotes its answer.
        """
        body = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": MAX_TOKENS}
        request = urllib.request.Request(  # noqa: S310 - the demo's own loopback server
            f"{self._url}/v1/chat/completions", data=json.dumps(body).encode(), headers=self._headers
        )
        try:
            with _DIRECT.open(request, timeout=TIMEOUT_S) as reply:
                text: str = json.load(reply)["choices"][0]["message"]["content"]
                return text
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode(errors="replace")
            raise RunnerError(f"the runner answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException) as error:
            raise RunnerError(f"the runner at {self._url} does not answer: {error}") from error


def normalised(line: str) -> str:
    """Return the line as it is compared: without surrounding white space, runs of white space as one blank."""
    return " ".join(line.split())


def work(client: Client, model: str, tasks: Sequence[Task], *, done: Callable[[int], None]) -> Session:
    """Ask for each line; type the right one when the answer is wrong, say so when it is right."""
    right = 0
    for number, task in enumerate(tasks, start=1):
        prompt = {"role": "user", "content": task.prompt}
        answer = client.chat(model, [prompt])
        if normalised(answer) == normalised(task.answer):
            right += 1
            reaction = "Yes, that is right."
        else:
            reaction = f"No, the next line is:\n```python\n{task.answer}\n```"
        client.chat(
            model, [prompt, {"role": "assistant", "content": answer}, {"role": "user", "content": reaction}]
        )
        done(number)
    return Session(asked=len(tasks), right=right, corrected=len(tasks) - right)


def examine(
    client: Client, model: str, tasks: Sequence[Task], *, done: Callable[[int], None]
) -> tuple[str, ...]:
    """Return the model's answers to tasks that nobody ever corrects; ask with a client that is not recorded."""
    answers: list[str] = []
    for number, task in enumerate(tasks, start=1):
        answers.append(client.chat(model, [{"role": "user", "content": task.prompt}]))
        done(number)
    return tuple(answers)
