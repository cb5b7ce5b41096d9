from __future__ import annotations

import pytest

from laimark_sidecar.experience.privacy.values import (
    entropy_bits,
    is_assigned_secret,
    is_made_up,
    is_password,
    is_placeholder,
    is_random,
)


def test_entropy_is_of_the_characters() -> None:
    """Shannon: one symbol has none, 2^n equally frequent ones have n bits."""
    assert entropy_bits("aaaa") == 0
    assert entropy_bits("abababab") == pytest.approx(1)
    assert entropy_bits("0123456789abcdef") == pytest.approx(4)


@pytest.mark.parametrize(
    "value", ["xxxxxxxx", "your_key_1", "<token>", "${TOKEN1}", "{{ key1 }}", "abababab"]
)
def test_what_somebody_will_fill_in_is_a_placeholder(value: str) -> None:
    assert is_placeholder(value)
    assert not is_password(value)


@pytest.mark.parametrize("value", ["hunter2", "Sommer!Regen", "q7Zk29xLmP4w", "c0rrect-h0rse"])
def test_mixed_letters_are_a_password(value: str) -> None:
    assert is_password(value)


@pytest.mark.parametrize(
    "value", ["hunter", "12345", "settings.key2", "access_token2", "tokenVersion2", "./auth2.py", "/etc/key2"]
)
def test_words_numbers_and_names_in_code_are_none(value: str) -> None:
    assert not is_assigned_secret(value)


def test_a_key_is_random_and_a_hash_or_a_name_is_not() -> None:
    assert is_random("h7Gk2" + "LpQ9xVb4NwZ8tRs3Yd")
    assert not is_random("8f14e45fceea167a5a36dedd4bea2543")
    assert not is_random("getUserAccountFromSession22")
    assert not is_random("123E4567-e89b-12d3-a456-426614174000")
    assert not is_random("/usr/Local/lib64/Python3")


def test_a_made_up_password_is_no_word() -> None:
    assert all(map(is_made_up, ["Korb#7fx", "aB3xy9Qr"]))
    assert not any(map(is_made_up, ["Windows11", "python3", "Sommer!Regen", "user.Name2x"]))
