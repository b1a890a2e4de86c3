"""Write the character tables under ``models/text/data`` from their sources.

Run by hand when a source changes, never at import: the tables are committed, so that a decision can be
replayed with exactly the tables it was made with, and so that a worker needs neither pypinyin nor OpenCC.

    python -m models.text.build_tables JIEBA_DICT SCOWL_LIST WORDFREQ_LIST

Sources: readings from pypinyin (MIT) weighted by how often each reading occurs in the words of jieba's
``dict.txt`` (MIT, Sun Junyi, 2013); traditional to simplified from OpenCC (Apache-2.0); word frequencies from
the same ``dict.txt``; later and spoken words that it lacks from wordfreq's ``large_zh.msgpack.gz`` (Robyn Speer,
data CC BY-SA 4.0); English words from SCOWL (Kevin Atkinson; size 35, one word a line). Licences: data/NOTICE.txt.
"""

from __future__ import annotations

import gzip
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

from models.text.words import CORPUS, LONGEST_WORD, UNKNOWN, inflection_stems

DATA = Path(__file__).parent / "data"
HAN = range(0x4E00, 0xA000)
# A word is kept when the corpus has it this often…
MIN_WORD_COUNT = {1: 1, 2: 20, 3: 15, 4: 6}
# … or at least so often, if its parts alone would make it less likely by this much (nats): 银首饰, 弄湿, 傻乐.
MIN_RARE_COUNT = 3
INFORMATIVE = 1.0
MIN_READING_COUNT = 60
# Shorter English words are in words_en.txt, as far as they are everyday words.
MIN_ENGLISH = 4
# A second reading is kept when this share of a character's occurrences uses it.
MIN_READING_SHARE = 0.08


def read_words(path: Path) -> dict[str, int]:
    """Words and counts of a jieba dictionary."""
    words: dict[str, int] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, count, *_ = line.split(" ")
        words[word] = int(count)
    return words


def _compound(word: str, words: Mapping[str, float]) -> bool:
    """Whether a word of four characters is merely two words: it would hide the entry that is one of them."""
    return len(word) == 4 and min(words.get(word[:2], 0), words.get(word[2:], 0)) >= MIN_WORD_COUNT[2]


def _informative(word: str, words: Mapping[str, float]) -> bool:
    """Whether a rare word says more than its parts: by how much likelier it is than its best division."""

    def logp(part: str) -> float:
        count = words.get(part, 0)
        return math.log(count / CORPUS) if count else (UNKNOWN if len(part) == 1 else -math.inf)

    best = [0.0]
    for end in range(1, len(word) + 1):
        best.append(max(best[start] + logp(word[start:end]) for start in range(end) if word[start:end] != word))
    return logp(word) > best[-1] + INFORMATIVE


def read_later_words(path: Path) -> dict[str, float]:
    """Words of wordfreq's list, which is in steps of 1/100 decade, and how often jieba's corpus would have them."""
    _, *steps = msgspec.msgpack.decode(gzip.decompress(path.read_bytes()))
    return {word: CORPUS * 10 ** (-step / 100) for step, group in enumerate(steps) for word in group}


def reading_table(words: dict[str, int]) -> dict[str, list[str]]:
    """Character -> readings such as ``jia1``, the most used first; 0 is the neutral tone."""
    from pypinyin import Style, lazy_pinyin
    from pypinyin.pinyin_dict import pinyin_dict

    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for word, count in words.items():
        if count < MIN_READING_COUNT or not 2 <= len(word) <= 4 or not all(ord(c) in HAN for c in word):
            continue
        for char, sound in zip(word, lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=False), strict=True):
            seen[char][sound if sound[-1].isdigit() else sound + "0"] += count
    table: dict[str, list[str]] = {}
    for code in HAN:
        char = chr(code)
        if code not in pinyin_dict:
            continue
        default = lazy_pinyin(char, style=Style.TONE3)[0]
        default = default if default[-1].isdigit() else default + "0"
        counts = seen.get(char)
        if not counts:
            table[char] = [default]
            continue
        total = sum(counts.values())
        kept = [s for s, n in counts.most_common() if n >= MIN_READING_SHARE * total]
        table[char] = kept or [default]
    return table


def _write_words(name: str, counts: Mapping[str, float]) -> None:
    """Words by the rounded logarithm of their count and by length."""
    buckets: dict[tuple[int, int], list[str]] = defaultdict(list)
    for word, count in counts.items():
        buckets[(round(2 * math.log2(count)), len(word))].append(word)
    rows = [f"{half_log2}\t{size}\t{''.join(group)}" for (half_log2, size), group in sorted(buckets.items())]
    (DATA / name).write_text("\n".join(rows) + "\n", encoding="utf-8")


def main(argv: list[str]) -> int:
    """Write readings.txt, simplified.txt and the word lists; returns the exit status."""
    from opencc import OpenCC

    if len(argv) != 4:
        sys.stderr.write("usage: python -m models.text.build_tables JIEBA_DICT SCOWL_LIST WORDFREQ_LIST\n")
        return 2
    words = read_words(Path(argv[1]))
    by_reading: dict[str, list[str]] = defaultdict(list)
    for char, readings in reading_table(words).items():
        by_reading[" ".join(readings)].append(char)
    lines = [f"{reading}\t{''.join(chars)}" for reading, chars in sorted(by_reading.items())]
    (DATA / "readings.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    convert = OpenCC("t2s").convert
    pairs = [(chr(c), convert(chr(c))) for c in range(0x3400, 0xA000)]
    (DATA / "simplified.txt").write_text(
        "\n".join(a + b for a, b in pairs if a != b and len(b) == 1) + "\n", encoding="utf-8"
    )

    kept = {
        word: count
        for word, count in words.items()
        if len(word) <= LONGEST_WORD and all(ord(c) in HAN for c in word) and not _compound(word, words)
        if count >= MIN_WORD_COUNT[len(word)] or (count >= MIN_RARE_COUNT and _informative(word, words))
    }
    _write_words("words_zh.txt", kept)
    later = read_later_words(Path(argv[3]))
    every: dict[str, float] = {**words, **{word: count for word, count in later.items() if word not in kept}}
    _write_words(
        "words_zh_later.txt",
        {
            word: count
            for word, count in later.items()
            if 2 <= len(word) <= LONGEST_WORD and word not in kept and all(ord(c) in HAN for c in word)
            if not _compound(word, every) and _informative(word, every)
        },
    )
    english = {
        w for w in Path(argv[2]).read_text(encoding="utf-8").split() if w.isascii() and w.isalpha() and w.islower()
    }
    stems = sorted(w for w in english if len(w) >= MIN_ENGLISH and not any(s in english for s in inflection_stems(w)))
    (DATA / "words_en_known.txt").write_text("\n".join(stems) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
