from __future__ import annotations

import random

import pytest
from scripts.secret_samples import fill

from laimark_sidecar.errors import DataError
from laimark_sidecar.experience.privacy.rule import GROUPS, Rule, read_rules, shipped_rules
from laimark_sidecar.experience.privacy.scan import Scanner, findings

RULES = shipped_rules()
ONE = """
version = 1
group = "secret"
[[rule]]
name = "pass"
why = "a test"
words = ["pass-"]
pattern = 'pass-\\d{12}'
examples = ["pass-123456789012"]
"""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_its_examples_and_not_its_counterexamples(rule: Rule) -> None:
    scanner = Scanner([rule])
    for template in rule.examples:
        for seed in range(3):
            text = f"Please see: {fill(template, random.Random(seed))}\nand tell me why."
            (finding,) = scanner.scan(text)[:1]
            assert finding.rule == rule.name
            assert 0 < finding.start < finding.end <= len(text)
    for text in rule.counterexamples:
        assert scanner.scan(f"Please see: {text}\nand tell me why.") == ()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_finds_the_counterexamples_of_another(rule: Rule) -> None:
    for text in rule.counterexamples:
        assert [one.rule for one in findings(f"Please see: {text}\nand tell me why.")] == []


def test_a_hundred_kinds_of_tokens_are_known() -> None:
    assert len([rule for rule in RULES if rule.group == "secret"]) >= 150
    assert {rule.group for rule in RULES} == set(GROUPS)


def test_names_are_unique_and_every_rule_says_whose_word_it_is() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(len(rule.why) > 10 and rule.examples for rule in RULES)


def test_a_file_is_read() -> None:
    (rule,) = read_rules(ONE, "one.toml")
    assert (rule.name, rule.group, rule.at, rule.words) == ("pass", "secret", "run", ("pass-",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "rules of version 2, this program reads 1"),
        ("version = 1", "", "rules of version None"),
        ("version = 1", "version = ", "not a file of privacy rules"),
        ('"secret"', '"secrets"', "Invalid enum value 'secrets'"),
        ("words", "wrods", "unknown field `wrods`"),
        ('words = ["pass-"]', "", "is looked for at its words and has none"),
        ('"pass-"', '""', "too short"),
        ('"pass-"', '"pa"\nat = "word"', "not a file"),
        ('words = ["pass-"]', 'words = ["pa"]\nat = "word"', "too short"),
        ('words = ["pass-"]', 'words = ["Pass-"]\nat = "word"', "words in capitals"),
        ("{12}", "{12", "not found"),
        ("pass-\\d", "(pass-\\d", "a pattern that cannot be used"),
        ("why", 'check = "mod 12"\nwhy', "has check 'mod 12', expected one of"),
    ],
)
def test_a_damaged_file_is_told(old: str, new: str, said: str) -> None:
    damaged = ONE.replace(old, new, 1)
    if said == "not found":  # a brace without its partner is a brace
        assert Scanner(read_rules(damaged, "x.toml")).scan("pass-123456789012") == ()
        return
    with pytest.raises(DataError, match=r"x\.toml") as caught:
        read_rules(damaged, "x.toml")
    assert said in str(caught.value)
