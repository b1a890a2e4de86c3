"""The evasion suite: how much disguise the starter lists hear through, and how many look-alikes they accuse."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from models.findings import _border_hits
from models.lexicon import starter_lexicon
from models.strikes import Tail

DATA = Path(__file__).parents[1] / "data" / "judge"
# What was measured, not the aim (0.95 and 0.01): the innocents held out were chosen one by one to deceive.
# Least recall and most false alarms of each suite.
BOUNDS = {
    "development": (0.95, 0.01),
    "held out first": (0.95, 0.02),
    "held out second": (0.95, 0.02),
    "held out third": (0.95, 0.025),
    "held out fourth": (0.93, 0.025),
}


def load(name: str) -> dict:
    return yaml.safe_load((DATA / name).read_text(encoding="utf-8"))


def suites() -> dict[str, tuple[dict, dict]]:
    first, second, third, fourth = (load(f"evasion_{name}.yaml") for name in ("heldout", "second", "third", "fourth"))
    return {
        "development": (load("evasion_disguised.yaml"), load("evasion_innocent.yaml")),
        "held out first": (first["disguised"], first["innocent"]),
        "held out second": (second["disguised"], second["innocent"]),
        "held out third": (third["disguised"], third["innocent"]),
        "held out fourth": (fourth["disguised"], fourth["innocent"]),
    }


def said(utterances: str | list[str]) -> tuple[str, Tail | None]:
    """The last utterance, and the one before it in the memory of the judge."""
    if isinstance(utterances, str):
        return utterances, None
    before, last = utterances
    return last, Tail("u1", 0, 0.0, 1000.0, before)


def table(title: str, rows: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Print a row per kind and one for all; return that."""
    total = tuple(sum(column) for column in zip(*rows.values(), strict=True))
    lines = [f"  {kind:28}{hits:4} of {of:4}  {hits / of:6.1%}" for kind, (hits, of) in {**rows, "all": total}.items()]
    sys.stdout.write("\n".join(["", title, *lines, ""]))
    return total[0], total[1]


def count(values: Iterable[bool]) -> tuple[int, int]:
    seen = list(values)
    return sum(seen), len(seen)


@pytest.mark.parametrize(("suite", "recall", "false"), [(suite, *bounds) for suite, bounds in BOUNDS.items()])
def test_recall_and_false_alarms(suite, recall, false):
    lexicon = starter_lexicon()
    disguised, innocent = suites()[suite]

    def found(category: str, utterances: str | list[str]) -> bool:
        text, before = said(utterances)
        hits = [*lexicon.find(text), *(_border_hits(text, before.text, lexicon, ()) if before else ())]
        return any(h.category.split("/")[0] == category for h in hits)

    recalled = {kind: count(found(c, t) for c, t in rows) for kind, rows in disguised.items()}
    accused = {kind: count(bool(lexicon.find(str(t))) for t in rows) for kind, rows in innocent.items()}
    hits, of = table(f"{suite}: disguised sentences found, by kind of disguise", recalled)
    alarms, among = table(f"{suite}: innocent sentences accused, by kind of likeness", accused)
    assert hits / of >= recall
    assert alarms / among <= false


def test_the_suite_is_large_enough_and_apart_from_the_lists():
    disguised, innocent = suites()["development"]
    assert sum(map(len, disguised.values())) >= 300
    assert sum(map(len, innocent.values())) >= 300
    entries = [e.text for e in starter_lexicon().entries if "pattern" not in e.match]
    plain = [
        text
        for kind, rows in disguised.items()
        if kind.startswith("zh")
        for _, text in rows
        if any(entry in text for entry in entries)
    ]
    assert plain == []
    assert not {t.casefold() for rows in disguised.values() for _, t in rows} & {e.casefold() for e in entries}
