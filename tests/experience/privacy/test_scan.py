from __future__ import annotations

import base64
import random
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts.secret_samples import fill

from laimark_sidecar.experience.privacy.rule import shipped_rules
from laimark_sidecar.experience.privacy.scan import findings

RNG = random.Random(7)
# Put together here, so that nothing in this file looks like a secret to a scanner.


def run(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(RNG.choice(alphabet) for _ in range(length))


TOKEN = "ghp_" + run(36)
CARD = "4111 1111 1111 " + "1111"


@pytest.mark.parametrize(
    "disguised",
    [
        CARD.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)}),
        CARD.replace(" ", "\u00a0"),
        " ".join(CARD.replace(" ", "")),
        CARD.replace(" ", "\u2011"),
        f"{TOKEN[:9]}\u200b{TOKEN[9:]}",
        f"{TOKEN[:20]}\n    {TOKEN[20:]}",
        f"{TOKEN[:20]}\r\n{TOKEN[20:]}",
        base64.b64encode(f"token={TOKEN}".encode()).decode(),
        "url?next=%2Fx%3Ftoken%3D" + TOKEN,
        f'{{"log": "line one\\n{TOKEN}"}}',
        "password%3D" + "Tr0ub4dor%263",
        "PASSWORD = '" + "Tr0ub4dor&3'",
        "ｐａｓｓｗｏｒｄ： " + "Tr0ub4dor&3",
    ],
)
def test_a_disguised_secret_is_found_where_it_stands(disguised: str) -> None:
    text = f"Look: {disguised} and tell me."
    found = findings(text)
    assert found
    assert all(6 <= one.start < one.end <= 6 + len(disguised) for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "def token(self) -> str:\n    return self.tokens[0]",
        "max_tokens = 1024\nkey = lambda item: item.weight",
        "password = os.environ['DB_PASSWORD']",
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
        "ghp_" + "x" * 36,
        "İİİİ token and the key of it",
        "",
    ],
)
def test_ordinary_text_holds_no_secret(text: str) -> None:
    assert findings(text) == ()


def test_ranges_of_one_rule_do_not_overlap_and_come_in_order() -> None:
    text = f"{TOKEN} {CARD} {fill('{iban:DE}', random.Random(1))} {TOKEN}"
    found = findings(text)
    assert [one.start for one in found] == sorted(one.start for one in found)
    ends: dict[str, int] = {}
    for one in found:
        assert one.start >= ends.get(one.rule, 0)
        ends[one.rule] = one.end
    assert [one.rule for one in found].count("github token") == 2


def test_a_letter_whose_small_form_is_longer_moves_nothing() -> None:
    text = f"İİİ my password is {'Tr0ub4dor'}3"
    (finding,) = findings(text)
    assert text[finding.start : finding.end] == text[7:]


WORDS = sorted({word for rule in shipped_rules() for word in rule.words})
TEMPLATES = sorted({example for rule in shipped_rules() for example in rule.examples})
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(TEMPLATES).map(lambda template: fill(template, random.Random(5))),
    st.text(alphabet="0123456789٠٣۵४０１ ", max_size=24),  # digits of every script that a pattern's \\d means
    st.text(alphabet=st.characters(), max_size=12),  # lone surrogates too
    st.sampled_from(["\u212a", "ſ", "İ", "\ud800", "%", "%4", "\\n", "\r\n", "<<", "=", "://", "@"]),
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_stops_the_search_and_every_finding_lies_in_it(text: str) -> None:
    for one in findings(text):
        assert 0 <= one.start < one.end <= len(text)


HOSTILE = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({limit}, {limit}))
from laimark_sidecar.experience.privacy.rule import shipped_rules
from laimark_sidecar.experience.privacy.scan import findings
words = {{word for rule in shipped_rules() for word in rule.words}}
words |= {{"a", "1", "1 ", "4 ", "A", "\\n", "@", "é", "-", "eyJaaaaaaaaaa.", "a@", "AB12 ", "a://a:", "x\\n", "%41",
    "QUFB", "１", "password is ", "00 1", "+1 ", "1-1.", "<<", "a.a.a@a.", "://a:", "key : "}}
for word in words:
    for tail in ("", "1"):
        piece = word + tail
        findings(piece * ({size} // len(piece)))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)  # of wall time, on a machine that is busy otherwise
def test_hostile_text_is_searched_in_linear_time() -> None:
    """Some 1,200 texts of 20,000 characters, each one word over and over: a pattern that goes back over all of it
    takes 10^8 steps, seconds, for one text. The limit is of processor time, so a busy machine fails nothing."""
    code = HOSTILE.format(limit=45, size=20_000)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_standard_librarys_own_sources_hold_nearly_nothing() -> None:
    """Clean text in bulk: what is found there was looked at, and is an author's address or a made-up password."""
    folder = Path(random.__file__).parent
    found = [
        finding
        for name in (
            "ast",
            "argparse",
            "collections/__init__",
            "json/decoder",
            "ssl",
            "typing",
            "http/client",
        )
        for finding in findings((folder / f"{name}.py").read_text(encoding="utf-8"))
    ]
    assert {one.group for one in found} <= {"contact"}
