"""How much of what is secret or personal do the rules find, how much do they find in what is not, and how fast?

Labelled texts: `secret_texts.py` (fixed seed). `shape` are the formats that issuers document, which the rules were
written from, in surroundings that they were not; `by hand` were written as people write, and the rules corrected
by them after a first run: the figure of what no rule was written for is that of the first runs, in docs/LOG.md. A text counts as found if anything
of its group is found in it, and a negative as a false alarm if anything at all is. Intervals are Wilson's, 95%. Clean
text in bulk are the sources of the standard library of the running Python: no keys are in them, so every finding of
the groups but `contact` (the authors' addresses are real) is false. Speed: one process, one text of each kind after the
other, median of five passes; the ceiling is one pass of `str.lower` and of a compiled pattern of one word over the same.
`--other` runs detect-secrets over the same texts, each a file, with its defaults: a Python in which it is installed.

The last line of stdout is JSON. `python scripts/bench_secrets.py`
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import sysconfig
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

# Run by its path, a script has only its own folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.secret_texts import Labelled, labelled

from laimark_sidecar.experience.privacy.rule import GROUPS, Group, shipped_rules
from laimark_sidecar.experience.privacy.scan import findings, scanner

OTHER = """
import json, pathlib, sys, tempfile
from detect_secrets import SecretsCollection
from detect_secrets.settings import default_settings
with default_settings(), tempfile.TemporaryDirectory() as folder:
    said = []
    for text in json.load(sys.stdin):
        path = pathlib.Path(folder, "text.txt")
        path.write_text(text, encoding="utf-8")
        found = SecretsCollection()
        found.scan_file(str(path))
        said.append(bool(found))
print(json.dumps(said))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--other", help="a Python in which detect_secrets can be imported")
    parser.add_argument("--show", action="store_true", help="print what is missed and what is found wrongly")
    options = parser.parse_args()
    scanner()
    texts = labelled()
    found = [{one.group for one in findings(text.text)} for text in texts]
    result: dict[str, object] = {"rules": len(shipped_rules()), "texts": len(texts)}
    result["recall"] = recall(
        texts, [bool(text.groups & groups) for text, groups in zip(texts, found, strict=True)]
    )
    result["false_alarms"] = false_alarms(texts, [bool(groups) for groups in found])
    if options.show:
        show(texts, found)
    clean = clean_texts()
    result |= bulk(clean, show=options.show)
    result |= speed([*clean, *(text.text for text in texts)])
    if options.other:
        said = asked(options.other, [text.text for text in texts])
        secrets = [(text, hit) for text, hit in zip(texts, said, strict=True) if text.groups <= {"secret"}]
        result["other"] = {
            "recall": recall([text for text, _ in secrets], [hit for _, hit in secrets]),
            "false_alarms": false_alarms(texts, said),
        }
    print(json.dumps(result))


def wilson(hits: int, count: int) -> dict[str, float | int]:
    """Return the share and its interval (Wilson 1927), all in percent."""
    if not count:
        return {"n": 0}
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return {
        "n": count,
        "hits": hits,
        "percent": round(100 * share, 1),
        "low": round(max(0.0, 100 * (middle - half)), 1),
        "high": round(100 * (middle + half), 1),
    }


def recall(texts: Sequence[Labelled], hits: Sequence[bool]) -> dict[str, dict[str, float | int]]:
    """Return the share of positives that were hit, by part and group."""
    counts: defaultdict[str, list[bool]] = defaultdict(list)
    for text, hit in zip(texts, hits, strict=True):
        for group in text.groups:
            counts[f"{group}, {text.part}"].append(hit)
    return {name: wilson(sum(each), len(each)) for name, each in sorted(counts.items())}


def false_alarms(texts: Sequence[Labelled], hits: Sequence[bool]) -> dict[str, dict[str, float | int]]:
    """Return the share of negatives that were hit, by part."""
    counts: defaultdict[str, list[bool]] = defaultdict(list)
    for text, hit in zip(texts, hits, strict=True):
        if not text.groups:
            counts[text.part].append(hit)
    return {name: wilson(sum(each), len(each)) for name, each in sorted(counts.items())}


def show(texts: Sequence[Labelled], found: Sequence[set[Group]]) -> None:
    for text, groups in zip(texts, found, strict=True):
        if text.groups and not text.groups & groups:
            print(f"missed ({', '.join(text.groups)}, {text.part}): {text.text!r}")
        elif not text.groups and groups:
            rules = sorted({one.rule for one in findings(text.text)})
            print(f"false alarm ({', '.join(rules)}, {text.part}): {text.text[:160]!r}")


def clean_texts() -> list[str]:
    """Return the modules of the standard library, its tests left out: they hold keys made for testing."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = [
        path
        for path in sorted(root.rglob("*.py"))
        if not {"site-packages", "dist-packages", "test", "tests", "idle_test"} & set(path.parts)
    ]
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths]


def bulk(texts: Sequence[str], *, show: bool) -> dict[str, object]:
    """Return what is found in clean text, by group, for each million characters."""
    counts: Counter[str] = Counter()
    for text in texts:
        for one in findings(text):
            counts[one.group] += 1
            if show and one.group != "contact":
                print(f"in clean text ({one.rule}): {text[one.start : one.end][:120]!r}")
    size_mb = sum(map(len, texts)) / 1e6
    return {
        "clean_mb": round(size_mb, 1),
        "found_in_clean": dict(counts),
        "false_per_mb": {group: round(counts[group] / size_mb, 2) for group in GROUPS},
    }


def speed(texts: Sequence[str]) -> dict[str, object]:
    """Return megabytes (of characters) a second of processor time: the rules, and what bounds them."""
    size_mb = sum(map(len, texts)) / 1e6
    word = re.compile("passw")
    passes: dict[str, Callable[[str], object]] = {
        "rules": findings,
        "lower": str.lower,
        "one_word": word.findall,
    }
    return {f"{name}_mb_per_s": round(size_mb / _median_s(each, texts), 1) for name, each in passes.items()}


def _median_s(each: Callable[[str], object], texts: Sequence[str]) -> float:
    taken = []
    for _ in range(5):
        began = time.process_time()
        for text in texts:
            each(text)
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def asked(python: str, texts: Sequence[str]) -> list[bool]:
    """Return, of each text, whether another scanner finds anything in it."""
    done = subprocess.run(
        [python, "-c", OTHER], input=json.dumps(texts), check=True, capture_output=True, text=True
    )
    said: list[bool] = json.loads(done.stdout)
    return said


if __name__ == "__main__":
    main()
