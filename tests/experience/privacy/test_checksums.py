"""Numbers that the issuers or standards print themselves, and the same with one digit changed."""

from __future__ import annotations

import random

import pytest
from scripts.secret_samples import fill

from laimark_sidecar.experience.privacy.checksums import CHECKS, base58check, mrz, weighted

# Each from the document that the check's docstring names, or from Wikipedia's article on the number.
PUBLISHED = [
    ("luhn", "4111 1111 1111 1111"),
    ("luhn", "79927398713"),
    ("iban", "GB82 WEST 1234 5698 7654 32"),
    ("iban", "DE89370400440532013000"),
    ("base58check", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    ("base58check", "5Hue" + "CGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"),
    ("bech32", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
    ("bech32", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
    ("fr nir", "2 55 08 14 168 025 38"),
    ("de tax id", "86095742719"),
    ("es dni", "12345678Z"),
    ("es dni", "X1234567L"),
    ("it fiscal code", "RSSMRA85T10A562S"),
    ("nl bsn", "111222333"),
    ("pl pesel", "44051401359"),
    ("au tfn", "123456782"),
    ("br cpf", "111.444.777-35"),
    ("uk nhs", "943 476 5919"),
    ("ch ahv", "756.9217.0769.85"),
    ("be national number", "85.07.30-033.28"),
    ("fi hetu", "131052-308T"),
    ("cn resident id", "11010519491231002X"),
    ("in aadhaar", "9999 4105 7058"),
    ("us ssn", "536-90-4399"),
]


@pytest.mark.parametrize(("name", "number"), PUBLISHED)
def test_a_published_number_holds(name: str, number: str) -> None:
    assert CHECKS[name](number)


@pytest.mark.parametrize(("name", "number"), [one for one in PUBLISHED if one[0] not in ("us ssn", "fr nir")])
def test_a_wrong_digit_breaks_it(name: str, number: str) -> None:
    """Every one of these finds any single wrong digit, except in the letters of a MOD 23 or 31 number."""
    place = max(at for at, char in enumerate(number) if char.isdigit())
    broken = [
        number[:place] + other + number[place + 1 :] for other in "0123456789" if other != number[place]
    ]
    assert sum(CHECKS[name](one) for one in broken) <= 1


def test_areas_that_were_never_issued_are_no_ssn() -> None:
    assert not any(
        CHECKS["us ssn"](one) for one in ("000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567")
    )


def test_the_specimen_passport_of_icao_holds() -> None:
    """ICAO 9303 part 4, appendix: the specimen of Utopia."""
    first = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
    assert mrz(f"{first}\nL898902C36UTO7408122F1204159ZE184226B<<<<<10")
    assert not mrz(f"{first}\nL898902C37UTO7408122F1204159ZE184226B<<<<<10")


def test_a_weighted_sum_wants_all_its_digits() -> None:
    holds = weighted((2, 1), 3)
    assert holds("1 4")  # 2·1 + 4
    assert not holds("1 1")  # a placeholder
    assert not holds("111")


def test_what_is_too_short_is_no_address() -> None:
    assert not base58check("1")
    assert not base58check("")


@pytest.mark.parametrize("slot", ["wif", "xprv", "btc"])
def test_made_addresses_hold(slot: str) -> None:
    assert all(base58check(fill(f"{{{slot}}}", random.Random(seed))) for seed in range(20))
