"""Makes texts that look like secrets and personal data: random, with valid check digits, and nobody's.

Templates are those of the rule files (`sidecar/laimark_sidecar/experience/privacy/rules`): `{alnum:36}` becomes 36
random letters and digits, `{iban:DE}` a valid IBAN. So nothing in this project looks like a live key until it runs.
"""

from __future__ import annotations

import hashlib
import random
import re
import string
from collections.abc import Callable

from laimark_sidecar.experience.privacy.checksums import CHECKS

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_CLASSES = {
    "alnum": string.ascii_letters + string.digits,
    "word": string.ascii_letters + string.digits + "_-",
    "word_only": string.ascii_letters + string.digits + "_",
    "hex": "0123456789abcdef",
    "digit": string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "upper_digit": string.ascii_uppercase + string.digits,
    "lower_digit": string.ascii_lowercase + string.digits,
    "base32": string.ascii_uppercase + "234567",
    "bech32_upper": _BECH32.upper(),
}
_SLOT = re.compile(r"\{([a-z0-9_]+)(?::([A-Za-z0-9 ]*))?\}")
_CARDS = {"visa": ("4", 16), "mastercard": ("5412", 16), "amex": ("37", 15), "discover": ("6011", 16)}


def fill(template: str, rng: random.Random) -> str:
    """Return `template` with every slot replaced; equal generators give equal texts."""
    return _SLOT.sub(lambda slot: _slot(slot[1], slot[2] or "", rng, slot[0]), template)


def _slot(kind: str, argument: str, rng: random.Random, written: str) -> str:
    if kind in _CLASSES and argument.isdecimal():
        return _run(rng, _CLASSES[kind], int(argument))
    maker = _MAKERS.get(kind)
    return maker(rng, argument) if maker else written


def _run(rng: random.Random, alphabet: str, length: int) -> str:
    # The last three of a longer run are of each kind, as nearly every real one has: a run of capitals only is no sample.
    if length < 8 or alphabet in (string.digits, string.ascii_uppercase, string.ascii_lowercase):
        return "".join(rng.choices(alphabet, k=length))
    kinds = [part for part in (string.digits, "abcdef", "ABCDEF") if set(part) & set(alphabet)]
    ends = [rng.choice([char for char in part if char in alphabet]) for part in kinds]
    return "".join(rng.choices(alphabet.rstrip("_-"), k=length - len(ends))) + "".join(ends)


def _until(check: str, make: Callable[[], str]) -> str:
    made = make()
    while not CHECKS[check](made):
        made = make()
    return made


def _password(rng: random.Random, length: str) -> str:
    size = int(length)
    word = rng.choice(("Winter", "korb", "Lisa", "zebra", "Tango", "mosa", "Kilo", "fern", "Quark"))
    rest = "".join(rng.choices(string.ascii_letters + string.digits, k=max(1, size - len(word) - 2)))
    return f"{word}{rng.choice('!#%+?')}{rest}{rng.choice('23456789')}"


def _random(rng: random.Random, length: str) -> str:
    """All kinds of characters, and no long word by chance."""
    while True:
        made = "".join(rng.choices(_CLASSES["alnum"], k=int(length)))
        if not re.search(r"[a-z]{7}|[A-Z]{7}", made) and re.search("[a-z]", made) and re.search("[A-Z]", made) and re.search("[0-9]", made):  # fmt: skip
            return made


def _uuid(rng: random.Random, _: str) -> str:
    return "-".join(_run(rng, _CLASSES["hex"], size) for size in (8, 4, 4, 4, 12))


def _pem(_: random.Random, kind: str) -> str:
    name = f"{kind} PRIVATE" if kind else "PRIVATE"
    return f"{name} KEY BLOCK" if kind == "PGP" else f"{name} KEY"


def _card(rng: random.Random, argument: str) -> str:
    brand, _, style = argument.partition(" ")
    prefix, length = _CARDS[brand]
    plain = _until("luhn", lambda: prefix + _digits(rng, length - len(prefix)))
    sizes = (4, 6, 5) if brand == "amex" else (4, 4, 4, 4)
    if style == "single":
        return " ".join(plain)
    return _grouped(plain, sizes, {"spaced": " ", "dashed": "-"}.get(style, ""))


def _iban(rng: random.Random, argument: str) -> str:
    country, _, style = argument.partition(" ")
    body = {"DE": "", "GB": "WEST", "FR": "", "NL": "ABNA"}[country]
    length = {"DE": 18, "GB": 18, "FR": 23, "NL": 14}[country]
    bban = body + _digits(rng, length - len(body))
    number = int("".join(str(int(char, 36)) for char in bban + country) + "00")
    plain = f"{country}{98 - number % 97:02d}{bban}"
    return _grouped(plain, (4,) * 9, " ") if style else plain


def _base58check(body: bytes) -> str:
    raw = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    value, text = int.from_bytes(raw), ""
    while value:
        value, digit = divmod(value, 58)
        text = _BASE58[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _bech32(rng: random.Random, human: str) -> str:
    body = [0, *(rng.randrange(32) for _ in range(32))]
    values = [*(ord(c) >> 5 for c in human), 0, *(ord(c) & 31 for c in human), *body, 0, 0, 0, 0, 0, 0]
    remainder = 1
    for value in values:
        top, remainder = remainder >> 25, (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            remainder ^= generator if top >> bit & 1 else 0
    check = [(remainder ^ 1) >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{human}1" + "".join(_BECH32[value] for value in (*body, *check))


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _date(rng: random.Random) -> str:
    return f"{rng.randrange(50, 99):02d}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"


def _grouped(plain: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(plain[at : at + size])
        at += size
    return separator.join(part for part in parts if part)


def _styled(
    check: str, shape: tuple[int, ...], separators: dict[str, str], first: str = ""
) -> Callable[[random.Random, str], str]:
    """Make the maker of a number of digits with a checksum, printed in groups."""

    def make(rng: random.Random, style: str) -> str:
        plain = _until(check, lambda: first + _digits(rng, sum(shape) - len(first)))
        return _grouped(plain, shape, separators.get(style, ""))

    return make


def _nir(rng: random.Random, style: str) -> str:
    number = f"{rng.choice('12')}{rng.randrange(50, 99)}{rng.randrange(1, 13):02d}{_digits(rng, 8)}"
    plain = f"{number}{97 - int(number) % 97:02d}"
    return _grouped(plain, (1, 2, 2, 2, 3, 3, 2), " ") if style == "spaced" else plain


def _codice(rng: random.Random, _: str) -> str:
    head = f"RSSM{rng.choice('RLN')}A{_digits(rng, 2)}{rng.choice('ABCDEHLMPRST')}{rng.randrange(1, 29):02d}H{_digits(rng, 3)}"
    return _until("it fiscal code", lambda: head + rng.choice(string.ascii_uppercase))


def _mrz(rng: random.Random, _: str) -> str:
    def digit(field: str) -> str:
        values = [0 if char == "<" else int(char, 36) for char in field]
        return str(sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10)

    number, born, until = "C01X" + _digits(rng, 5), _date(rng), "31" + _date(rng)[2:]
    line = f"{number}{digit(number)}D<<{born}{digit(born)}F{until}{digit(until)}{'<' * 15}4"
    return "P<D<<MUSTERMANN<<ERIKA".ljust(44, "<") + "\n" + line


def _cpf(plain: str, style: str) -> str:
    return f"{plain[:3]}.{plain[3:6]}.{plain[6:9]}-{plain[9:]}" if style == "dotted" else plain


_MAKERS: dict[str, Callable[[random.Random, str], str]] = {
    "password": _password,
    "random": _random,
    "uuid": _uuid,
    "pem": _pem,
    "card": _card,
    "iban": _iban,
    "wif": lambda rng, _: _base58check(b"\x80" + rng.randbytes(32) + b"\x01"),
    "xprv": lambda rng, _: _base58check(bytes.fromhex("0488ade4") + rng.randbytes(74)),
    "btc": lambda rng, _: _base58check(b"\0" + rng.randbytes(20)),
    "bech32": _bech32,
    "ssn": lambda rng, style: _until(
        "us ssn",
        lambda: _grouped(_digits(rng, 9), (3, 2, 4), {"dashed": "-", "spaced": " "}.get(style, "")),
    ),
    "nir": _nir,
    "steuer": _styled("de tax id", (2, 3, 3, 3), {"spaced": " "}),
    "nhs": _styled("uk nhs", (3, 3, 4), {"": " "}),
    "dni": lambda rng, _: _until("es dni", lambda: _digits(rng, 8) + rng.choice(string.ascii_uppercase)),
    "codice": _codice,
    "bsn": _styled("nl bsn", (9,), {}),
    "pesel": _styled("pl pesel", (11,), {}),
    "personnummer": lambda rng, _: _until("luhn", lambda: f"{_date(rng)}-{_digits(rng, 4)}"),
    "hetu": lambda rng, _: _until(
        "fi hetu",
        lambda: (
            f"1{_digits(rng, 1)}0{rng.randrange(1, 10)}{_digits(rng, 2)}-{_digits(rng, 3)}{rng.choice('0123456789ABCDEFHJKLMNPRSTUVWXY')}"
        ),
    ),
    "ahv": _styled("ch ahv", (3, 4, 4, 2), {"": "."}, first="756"),
    "rijksregister": lambda rng, _: _until(
        "be national number",
        lambda: (
            f"{_digits(rng, 2)}.0{rng.randrange(1, 10)}.1{_digits(rng, 1)}-{_digits(rng, 3)}.{_digits(rng, 2)}"
        ),
    ),
    "cpf": lambda rng, style: _until("br cpf", lambda: _cpf(_digits(rng, 11), style)),
    "aadhaar": _styled("in aadhaar", (4, 4, 4), {"": " "}, first="2"),
    "sin": _styled("luhn", (3, 3, 3), {"": " "}, first="1"),
    "tfn": _styled("au tfn", (3, 3, 3), {"": " "}),
    "resident": lambda rng, _: _until(
        "cn resident id",
        lambda: (
            f"110101198{_digits(rng, 1)}0{rng.randrange(1, 10)}1{_digits(rng, 4)}{rng.choice('0123456789X')}"
        ),
    ),
    "mrz": _mrz,
}
