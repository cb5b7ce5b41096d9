"""Secrets and personal numbers, found before anything is stored: what holds one is dropped, not masked.

The rules are data. Every pattern is linear: a run of characters is only entered at its beginning, and repetitions
are bounded, so a hostile text costs no more than a long one. Token formats: the issuers' own documentation, as
collected by gitleaks (config/gitleaks.toml, 8.24) and detect-secrets (1.5).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

ENTROPY_FLOOR_BITS = 2.5
"""Of a character of an assigned value: below this it is a word or a placeholder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A secret at `[start, end)`; the text itself is not kept."""

    rule: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern, words of which one must be there (lower case, cheap to look for), and a check of the match."""

    name: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = bool


def _entropy_bits(text: str) -> float:
    """Return the Shannon entropy of the characters: -Σ p·log2 p, in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _is_secret_value(match: re.Match[str]) -> bool:
    value = match["value"]
    mixed = any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
    return mixed and _entropy_bits(value) >= ENTROPY_FLOOR_BITS


def _passes_luhn(match: re.Match[str]) -> bool:
    """ISO/IEC 7812-1, annex B."""
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_iban(match: re.Match[str]) -> bool:
    """ISO 13616: moved and spelled out in digits, the number is 1 modulo 97."""
    text = match[0].replace(" ", "")
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _token(name: str, word: str, pattern: str) -> Rule:
    """Make the rule of a token with a prefix of its own; `pattern` begins a run of word characters."""
    return Rule(name=name, words=(word,), pattern=re.compile(rf"(?<![\w-]){pattern}"))


RULES = (
    Rule(
        name="private key",
        words=("private key",),
        pattern=re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"),
    ),
    Rule(
        name="aws access key",
        words=("akia", "asia", "abia", "acca"),
        pattern=re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ),
    _token("github token", "gh", r"gh[pousr]_[A-Za-z0-9]{36}"),
    _token("github token", "github_pat_", r"github_pat_\w{22,255}"),
    _token("gitlab token", "gl", r"gl(?:pat|dt|ptt|rt|soat|cbt|ft)-[\w-]{20,255}"),
    _token("slack token", "xox", r"xox[abeoprs]-[\w-]{10,255}"),
    _token("slack token", "xapp-", r"xapp-\d-[\w-]{10,255}"),
    Rule(
        name="slack webhook",
        words=("hooks.slack.com",),
        pattern=re.compile(r"hooks\.slack\.com/(?:services|workflows)/[\w/+]{20,100}"),
    ),
    _token("google api key", "aiza", r"AIza[\w-]{35}"),
    _token("google oauth secret", "gocspx-", r"GOCSPX-[\w-]{28}"),
    _token("anthropic key", "sk-ant-", r"sk-ant-[\w-]{20,255}"),
    _token("openai key", "sk-", r"sk-(?!ant-)(?=[\w-]{0,200}\d)[\w-]{20,255}"),
    _token("hugging face token", "hf_", r"hf_[A-Za-z0-9]{30,64}"),
    _token("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _token("pypi token", "pypi-", r"pypi-AgE[\w-]{50,255}"),
    _token("stripe key", "k_", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}"),
    _token("json web token", "eyj", r"eyJ[\w-]{10,4000}\.eyJ[\w-]{10,8000}\.[\w-]{10,2000}"),
    Rule(
        name="password in url",
        words=("://",),
        pattern=re.compile(r"://[^\s/:@\"'<>]{1,100}:(?![$<{%*])[^\s/@\"'<>]{3,200}@"),
    ),
    Rule(
        name="assigned secret",
        words=("secret", "passw", "pwd", "token", "key", "credential"),
        pattern=re.compile(
            r"(?:secret|passwor[dt]|passwd|passphrase|pwd|token|(?:api|access|auth|private|account|encryption)"
            r"[_ .-]?key|credentials?)[\w-]{0,20}[\"'`]?[ \t]{0,4}(?::=|=>|=|:| is )[ \t]{0,4}"
            r"[\"'`]?(?P<value>[A-Za-z0-9+/=_~!@#%^&*.-]{8,256})(?![\w(\[])",
            re.IGNORECASE,
        ),
        holds=_is_secret_value,
    ),
    Rule(
        name="payment card",
        words=(),
        pattern=re.compile(
            r"(?<![\w.-])(?:[2-6]\d{12,18}|[2-6]\d{3}(?P<four>[ -])\d{4}(?P=four)\d{4}(?P=four)\d{4}|"
            r"3\d{3}(?P<amex>[ -])\d{6}(?P=amex)\d{5})(?![\w-])"
        ),
        holds=_passes_luhn,
    ),
    Rule(
        name="iban",
        words=(),
        pattern=re.compile(
            r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
        ),
        holds=_passes_iban,
    ),
)


def findings(text: str) -> tuple[Finding, ...]:
    """Return every secret in `text`, rule by rule; linear in its length."""
    lowered = text.lower()
    return tuple(
        Finding(rule=rule.name, start=match.start(), end=match.end())
        for rule in RULES
        if not rule.words or any(word in lowered for word in rule.words)
        for match in rule.pattern.finditer(text)
        if rule.holds(match)
    )
