"""``bench lexicon``: sentences a second with a large lexicon, against plain string matchers in the same run.

Time is processor time of one thread, so that a busy machine does not change it much. Each matcher is built and measured
in a process of its own: none pays, in memory or in the collector's rounds, for what another has built. The lexicon is
the starter lists and, up to the size asked for, phrases put together from dictionary words that make no sense: as long
as real entries, of all kinds of match, and seldom said.
"""

from __future__ import annotations

import gc
import random
import re
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any

from models.lexicon import Entry, Lexicon, starter_lexicon
from models.text import words
from models.text.fold import fold

OFFENDING_SHARE = 0.05
# A compiled alternation of 100,000 phrases is so slow that it is given fewer sentences.
REGEX_SENTENCES = 100
# Other sentences that are looked through first: tables are read, and caches filled as in a worker that has run a while.
WARM_UP = 5000
_SEED = 7
# Whether a sentence has a hit.
Found = Callable[[str], bool]


def sentences(count: int, seed: int = _SEED) -> list[tuple[str, bool]]:
    """Distinct sentences of one or two clauses, half Mandarin, half English, and whether they were made to offend."""
    pools: dict[str, list[str]] = {}
    for line in files("deploy").joinpath("data/utterances.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            pool = pools.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            pool.append(line)
    rng = random.Random(seed)  # noqa: S311 - reproducible, no secret
    out: dict[str, bool] = {}
    while len(out) < count:
        language, joint = ("zh", "，") if len(out) % 2 else ("en", ", ")
        clauses = rng.sample(pools[language], rng.choice((1, 1, 2)))
        bad = rng.random() < OFFENDING_SHARE
        if bad:
            clauses[rng.randrange(len(clauses))] = rng.choice(pools[f"{language} offending"])
        if len(clauses) == 1 or rng.random() < 0.5:
            clauses.insert(0, rng.choice(pools[f"{language} opening"]))
        out.setdefault(joint.join(clauses), bad)
    return list(out.items())


def entries(count: int, seed: int = _SEED) -> list[Entry]:
    """The starter lists and made-up phrases: half Mandarin of 2 to 6 characters, half English of 1 to 4 words."""
    rng = random.Random(seed)  # noqa: S311
    by_size: dict[int, list[str]] = {}
    for word in words.frequencies():
        by_size.setdefault(len(word), []).append(word)
    english = sorted(words.known_english())
    made = {e.text: e for e in starter_lexicon().entries[:count]}
    while len(made) < count:
        if len(made) % 2:
            size = rng.choices((2, 3, 4, 5, 6), (10, 25, 40, 15, 10))[0]
            parts = {2: (1, 1), 3: (1, 2), 4: (2, 2), 5: (2, 1, 2), 6: (2, 2, 2)}[size]
            text = "".join(rng.choice(by_size[n]) for n in parts)
            made.setdefault(text, Entry("bench-zh", text, "x", 2, "zh", ("exact", "phonetic", "initials")))
        else:
            size = rng.choices((1, 2, 3, 4), (10, 35, 35, 20))[0]
            picked = [rng.choice(english) for _ in range(size)]
            text = " ".join(picked) if size > 1 else f"{picked[0][:4]}{rng.choice(english)[-4:]}"
            made.setdefault(text, Entry("bench-en", text, "x", 2, "en", ("exact", "phonetic")))
    return list(made.values())


def measure(entry_count: int, sentence_count: int) -> dict[str, Any]:
    """Figures of every matcher, with what each found."""
    said = sentences(sentence_count)
    return {
        "entries": entry_count,
        "sentences": len(said),
        "offending_share": round(sum(bad for _, bad in said) / len(said), 3),
        "mean_characters": round(sum(len(t) for t, _ in said) / len(said), 1),
        "matchers": [_apart(name, entry_count, sentence_count) for name in MATCHERS if _installed(name)],
    }


def _installed(name: str) -> bool:
    return name != "flashtext" or find_spec("flashtext") is not None  # without the bench extra, one row fewer


def _apart(name: str, entry_count: int, sentence_count: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure_one, name, entry_count, sentence_count).result()


def measure_one(name: str, entry_count: int, sentence_count: int) -> dict[str, Any]:
    """Figures of one matcher."""
    most, build = MATCHERS[name]
    listed = entries(entry_count)
    given = sentences(sentence_count)[:most]
    before, begin = _resident_mb(), time.process_time()
    found = build(listed)
    build_s, megabytes = time.process_time() - begin, max(0.0, _resident_mb() - before)
    gc.collect()
    gc.freeze()  # as a worker does with what it has loaded
    for text, _ in sentences(WARM_UP, _SEED + 1)[:most]:
        found(text)
    begin = time.process_time()
    hits = [found(text) for text, _ in given]
    spent = time.process_time() - begin
    wrong = sum(hit and not bad for hit, (_, bad) in zip(hits, given, strict=True))
    return {
        "matcher": name,
        "build_s": round(build_s, 2),
        "megabytes": round(megabytes),
        "sentences": len(given),
        "per_second": round(len(given) / max(spent, 1e-9)),
        "found": sum(hits) - wrong,
        "offending": sum(bad for _, bad in given),
        "wrong": wrong,
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    about = (
        f"{result['entries']} entries; {result['sentences']} sentences of {result['mean_characters']} characters on "
        f"average, half Mandarin, half English, {result['offending_share']:.1%} offending; "
        f"one thread's processor time, after {WARM_UP} other sentences"
    )
    head = "| matcher | build s | memory MB | sentences/s | offending found | others accused |"
    rows = [
        f"| {row['matcher']} | {row['build_s']} | {row['megabytes']} | {row['per_second']:,} "
        f"| {row['found']} of {row['offending']} | {row['wrong']} |"
        for row in result["matchers"]
    ]
    return "\n".join([about, "", head, "|---|---|---|---|---|---|", *rows])


def _resident_mb() -> float:
    """Peak resident memory so far, in MiB; Linux counts it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _lexicon(listed: Sequence[Entry]) -> Found:
    lexicon = Lexicon(listed)
    return lambda text: bool(lexicon.find(text))


def _plain(listed: Sequence[Entry]) -> list[str]:
    return [fold(e.text) for e in listed if "pattern" not in e.match]


def _aho_corasick(listed: Sequence[Entry]) -> Found:
    import ahocorasick

    machine = ahocorasick.Automaton()
    for text in _plain(listed):
        machine.add_word(text, text)
    machine.make_automaton()
    return lambda text: next(machine.iter(fold(text)), None) is not None


def _flashtext(listed: Sequence[Entry]) -> Found:
    import flashtext

    processor = flashtext.KeywordProcessor()
    processor.add_keywords_from_list(_plain(listed))
    # Its words are made of Latin letters and digits, so that Mandarin is matched character by character.
    return lambda text: bool(processor.extract_keywords(text))


def _alternation(listed: Sequence[Entry]) -> Found:
    pattern = re.compile("|".join(map(re.escape, _plain(listed))), re.IGNORECASE)
    return lambda text: pattern.search(text) is not None


# Name of a way to find entries -> how many sentences it is given at most, and what builds it.
MATCHERS: dict[str, tuple[int, Callable[[Sequence[Entry]], Found]]] = {
    "phonetic lexicon (all kinds of match)": (10**9, _lexicon),
    "pyahocorasick on folded characters": (10**9, _aho_corasick),
    "flashtext": (10**9, _flashtext),
    "compiled regular expression": (REGEX_SENTENCES, _alternation),
}
