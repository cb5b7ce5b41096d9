"""Check digits of numbers that have them: what passes is very likely the number it looks like.

Each function takes the text as it was found, separators included, and says whether it holds. One in ten to one in a
hundred random numbers passes too, so a rule adds a shape or a word beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_VERHOEFF_TIMES = [
    [(i + j) % 5 if i < 5 and j < 5 else (i + j) % 5 + 5 if i < 5 else (i - j) % 5 + (5 if j < 5 else 0) for j in range(10)]
    for i in range(10)
]  # fmt: skip
_VERHOEFF_MOVES = "1576283094"


def digits_of(text: str) -> list[int]:
    """Return the ASCII digits of `text`, in order."""
    return [ord(char) - 48 for char in text if "0" <= char <= "9"]


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B; a number of one repeated digit is a placeholder."""
    digits = digits_of(text)
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """ISO 13616: moved and spelled out in digits, the number is 1 modulo 97."""
    plain = _alphanumeric(text)
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def base58check(text: str) -> bool:
    """A Bitcoin address or key: the last four bytes are the double sha256 of the rest (BIP 13, BIP 32)."""
    value = 0
    for char in text:
        if char not in _BASE58:
            return False
        value = value * 58 + _BASE58.index(char)
    zeros = len(text) - len(text.lstrip("1"))
    raw = bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8)
    body, check = raw[:-4], raw[-4:]
    return len(body) >= 21 and hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == check


def bech32(text: str) -> bool:
    """BIP 173 and BIP 350: the polynomial remainder is 1 (bech32) or 0x2bc830a3 (bech32m)."""
    human, _, body = text.lower().rpartition("1")
    if not human or any(char not in _BECH32 for char in body):
        return False
    values = [*(ord(c) >> 5 for c in human), 0, *(ord(c) & 31 for c in human), *map(_BECH32.index, body)]
    remainder = 1
    for value in values:
        top, remainder = remainder >> 25, (remainder & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            remainder ^= generator if top >> bit & 1 else 0
    return remainder in (1, 0x2BC830A3)


def us_ssn(text: str) -> bool:
    """Social Security Administration, "SSN randomization": area not 000, 666, 9xx; no group or serial of zeros."""
    plain = "".join(map(str, digits_of(text)))
    return len(plain) == 9 and plain[:3] not in ("000", "666") and plain[0] != "9" and plain[3:5] != "00" and plain[5:] != "0000"  # fmt: skip


def fr_nir(text: str) -> bool:
    """INSEE: the key is 97 minus the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    plain = _alphanumeric(text).replace("2A", "19").replace("2B", "18")
    return len(plain) == 15 and plain.isdecimal() and 97 - int(plain[:13]) % 97 == int(plain[13:])


def de_tax_id(text: str) -> bool:
    """ISO 7064 mod 11,10 as of the Bundeszentralamt für Steuern; one digit of ten occurs twice or thrice."""
    digits = digits_of(text)
    repeated = [digits[:10].count(digit) for digit in set(digits[:10])]
    if len(digits) != 11 or digits[0] == 0 or max(repeated) not in (2, 3):
        return False
    product = 10
    for digit in digits[:10]:
        product = ((product + digit) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def es_dni(text: str) -> bool:
    """Ministerio del Interior: the letter is the number modulo 23; X, Y, Z of a NIE stand for 0, 1, 2."""
    plain = _alphanumeric(text)
    number = str("XYZ".find(plain[0])) + plain[1:-1] if plain[0] in "XYZ" else plain[:-1]
    return number.isdecimal() and _DNI[int(number) % 23] == plain[-1]


def it_fiscal_code(text: str) -> bool:
    """D.M. 12/03/1974 n. 2227: odd characters by a table, even ones by value, modulo 26."""
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip
    plain = _alphanumeric(text)
    values = [odd[c] if place % 2 == 0 else int(c, 36) - (0 if c.isdigit() else 10) for place, c in enumerate(plain[:15])]  # fmt: skip
    return len(plain) == 16 and chr(65 + sum(values) % 26) == plain[15]


def weighted(weights: Sequence[int], modulus: int, *, remainder: int = 0) -> Callable[[str], bool]:
    """Make the check that the weighted sum of all digits leaves `remainder` modulo `modulus`."""

    def holds(text: str) -> bool:
        digits = digits_of(text)
        total = sum(weight * digit for weight, digit in zip(weights, digits, strict=False))
        return len(digits) == len(weights) and len(set(digits)) > 1 and total % modulus == remainder

    return holds


def br_cpf(text: str) -> bool:
    """Receita Federal: two check digits modulo 11, a remainder of 10 counting as 0."""
    digits = digits_of(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return all(
        sum(digit * (n + 1 - place) for place, digit in enumerate(digits[:n])) * 10 % 11 % 10 == digits[n]
        for n in (9, 10)
    )


def in_aadhaar(text: str) -> bool:
    """UIDAI: Verhoeff's check digit (J. Verhoeff, Error Detecting Decimal Codes, 1969)."""
    check = 0
    for place, digit in enumerate(reversed(digits_of(text))):
        moved = digit
        for _ in range(place % 8):
            moved = int(_VERHOEFF_MOVES[moved])
        check = _VERHOEFF_TIMES[check][moved]
    return check == 0 and len(digits_of(text)) == 12


def uk_nhs(text: str) -> bool:
    """NHS Data Dictionary: weights 10 to 2, eleven minus the remainder is the tenth digit."""
    return weighted(range(10, 0, -1), 11)(text)


def ch_ahv(text: str) -> bool:
    """EAN-13 over 756 and nine digits (Zentrale Ausgleichsstelle)."""
    return weighted((1, 3) * 6 + (1,), 10)(text)


def be_national_number(text: str) -> bool:
    """97 minus the first nine digits modulo 97, with a 2 in front for who was born from 2000 on."""
    plain = "".join(map(str, digits_of(text)))
    return len(plain) == 11 and any(97 - int(front + plain[:9]) % 97 == int(plain[9:]) for front in ("", "2"))


def fi_hetu(text: str) -> bool:
    """Digital and Population Data Services Agency: the nine digits modulo 31."""
    plain = text.strip().upper()
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int("".join(map(str, digits_of(plain[:-1])))) % 31] == plain[-1]


def cn_resident_id(text: str) -> bool:
    """GB 11643: ISO 7064 mod 11-2, X standing for ten."""
    plain = text.strip().upper()
    total = sum(2 ** (17 - place) % 11 * digit for place, digit in enumerate(digits_of(plain[:17])))
    return "10X98765432"[total % 11] == plain[-1]


def mrz(text: str) -> bool:
    """ICAO 9303 part 3: weights 7, 3, 1 over document number, birth and expiry of a machine-readable zone."""
    lines = text.split()
    if len(lines) == 2:
        fields = (lines[1][:10], lines[1][13:20], lines[1][21:28])
    else:
        fields = (lines[0][5:15], lines[1][:7], lines[1][8:15])
    return all(_icao(field[:-1]) == field[-1:] for field in fields)


def _icao(field: str) -> str:
    values = [0 if char == "<" else int(char, 36) for char in field]
    return str(sum(value * (7, 3, 1)[place % 3] for place, value in enumerate(values)) % 10)


def _alphanumeric(text: str) -> str:
    return "".join(char for char in text.upper() if char.isascii() and char.isalnum())


CHECKS: dict[str, Callable[[str], bool]] = {
    "luhn": luhn,
    "iban": iban,
    "base58check": base58check,
    "bech32": bech32,
    "us ssn": us_ssn,
    "fr nir": fr_nir,
    "de tax id": de_tax_id,
    "es dni": es_dni,
    "it fiscal code": it_fiscal_code,
    "nl bsn": weighted((9, 8, 7, 6, 5, 4, 3, 2, -1), 11),
    "pl pesel": weighted((1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), 10),
    "au tfn": weighted((1, 4, 3, 7, 5, 8, 6, 9, 10), 11),
    "br cpf": br_cpf,
    "in aadhaar": in_aadhaar,
    "uk nhs": uk_nhs,
    "ch ahv": ch_ahv,
    "be national number": be_national_number,
    "fi hetu": fi_hetu,
    "cn resident id": cn_resident_id,
    "mrz": mrz,
}
"""By the name that a rule file uses."""
