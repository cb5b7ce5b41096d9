from __future__ import annotations

import random
import string

import pytest

from laimark_sidecar.experience.redact import findings

RNG = random.Random(7)
# Put together here, so that nothing in this file looks like a secret to a scanner.


def run(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(length))


UPPER = string.ascii_uppercase + "234567"


@pytest.mark.parametrize(
    ("rule", "secret"),
    [
        ("private key", "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE"),
        ("private key", "-----BEGIN OPENSSH " + "PRIVATE KEY-----"),
        ("aws access key", "AKIA" + run(16, UPPER)),
        ("github token", "ghp_" + run(36)),
        ("github token", "github_pat_" + run(60)),
        ("gitlab token", "glpat-" + run(20)),
        ("slack token", "xoxb-" + run(24)),
        ("slack webhook", "https://hooks.slack.com/services/" + run(44)),
        ("google api key", "AIza" + run(35)),
        ("anthropic key", "sk-ant-" + run(90)),
        ("openai key", "sk-proj-" + run(40) + "7"),
        ("hugging face token", "hf_" + run(34)),
        ("npm token", "npm_" + run(36)),
        ("stripe key", "sk_live_" + run(24)),
        ("json web token", "eyJ" + run(30) + ".eyJ" + run(60) + "." + run(40)),
        ("password in url", "postgres://admin:" + "hunter2x" + "@db.example.com/x"),
        ("assigned secret", "password = '" + "Tr0ub4dor&3" + "'"),
        ("assigned secret", '"api_key": "' + "8f14e45fceea167a" + '"'),
        ("assigned secret", "export DB_SECRET=" + "q7Zk29xLmP4w"),
        ("assigned secret", "My password is " + "c0rrect-h0rse"),
        ("payment card", "4111 1111 1111 " + "1111"),
        ("payment card", "37828224631" + "0005"),
        ("payment card", "3782-822463-" + "10005"),
        ("iban", "DE89 3704 0044 0532 " + "0130 00"),
        ("iban", "GB82WEST1234569876" + "5432"),
    ],
)
def test_a_secret_is_found_where_it_stands(rule: str, secret: str) -> None:
    text = f"Please look at this: {secret}\nand tell me why."
    found = [finding for finding in findings(text) if finding.rule == rule]
    assert found
    assert all(0 <= finding.start < finding.end <= len(text) for finding in found)
    assert text[found[0].start : found[0].end].strip() in text


@pytest.mark.parametrize(
    "text",
    [
        "def token(self) -> str:\n    return self.tokens[0]",
        "max_tokens = 1024\nkey = lambda item: item.weight",
        "password = os.environ['DB_PASSWORD']",
        "api_key = settings.api_key",
        "token = tokenizer.encode(text)",
        "password: aaaaaaaa1",
        "the secret is out",
        "commit 8f14e45fceea167a5a36dedd4bea2543",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "order 4111 1111 1111 1112",
        "time 1732308312123",
        "3.141592653589793",
        "DE89 3704 0044 0532 0130 01",
        "a task-force-with-a-long-name-of-no-meaning",
        "https://example.com:8080/user@host",
        "0000 0000 0000 0000",
    ],
)
def test_ordinary_text_holds_no_secret(text: str) -> None:
    assert findings(text) == ()


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "1 ", "4 ", "eyJ", "eyJaaaaaaaaaa.", "sk-", "sk-ant-", "://a:", "a://", "password=", "token", "AB12 ",
     "-----BEGIN ", "A", "xoxb-", "hooks.slack.com/services/", "gh", "key : ", "\n", "@", "AKIA", "é", "GB82"],
)  # fmt: skip
def test_a_hostile_megabyte_is_searched_in_linear_time(piece: str) -> None:
    """The suite's timeout is the judge: quadratic matching would take minutes."""
    findings(piece * (1_000_000 // len(piece)))
