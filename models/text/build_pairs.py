"""Write ``models/text/data/pairs_zh.txt`` from a language model of libime.

Run by hand when the source changes, never at import::

    python -m models.text.build_pairs ZH_CN_LM

The source is ``zh_CN.lm`` of Debian's libime-data-language-model 1.0.16 (LGPL-2.1 or later; see data/NOTICE.txt), a
trigram model in KenLM's binary form "quantised trie, array-compressed pointers", of which words and word pairs are
read. Its layout is that of lm/search_trie.cc, lm/trie.cc and lm/bhiksha.cc of KenLM (Heafield, 2011).
"""

from __future__ import annotations

import math
import struct
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.text.pairs import FIRST_STEP, PAIRS, STEP
from models.text.words import LONGEST_WORD

HAN = range(0x4E00, 0xA000)
# Log10 probabilities below this are those of words never seen.
SELDOM = -6.0
# A pair is kept when one of its words is a single character, where division is least certain, when it is so much
# likelier than its words apart (nats), and when it is among the half that tells most (probability times gain).
MIN_GAIN = 1.0
MIN_GAIN_SEEN = 1.5
LEAST_TELLING = 0.5
_COUNTS_AT = 108
_VOCABULARY_AT = 136
_MAGIC = b"mmap lm http://kheafield.com/code format version 5"
_QUANTISED_ARRAY_TRIE = 5

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Model(NamedTuple):
    """Words with their log10 probability and back-off weight; pairs with the log10 probability of the second."""

    words: list[str]
    usual: Floats
    back_off: Floats
    first: Integers
    second: Integers
    pair: Floats


def read_model(data: bytes) -> Model:
    """Words and pairs of a model. Raises ValueError for a file of another form."""
    if not data.startswith(_MAGIC) or data[96] != _QUANTISED_ARRAY_TRIE or data[88] != 3:
        raise ValueError("not a trigram model in KenLM's quantised, array-compressed form: give libime's zh_CN.lm")
    words, pairs, triples = struct.unpack_from("<QQQ", data, _COUNTS_AT)
    at = _VOCABULARY_AT + 8 + 8 * words
    _, pair_bits, back_bits = data[at : at + 3]
    steps = np.frombuffer(data, "<f4", 1 << pair_bits, at + 8).astype(float)
    at += 8 + 4 * ((1 << pair_bits) * 2 + (1 << back_bits))
    layout: Any = [("usual", "<f4"), ("back_off", "<f4"), ("next", "<u8")]
    single = np.frombuffer(data, layout, words + 2, at)
    at += 16 * (words + 2)
    needed = triples.bit_length()
    chopped = min(range(min(needed, data[at + 1]) + 1), key=lambda c: (triples >> (needed - c)) * 64 - (pairs + 1) * c)
    at += 8 * (2 + (triples >> (needed - chopped))) + 7
    word_bits = words.bit_length()
    bits = np.arange(pairs, dtype=np.int64) * (word_bits + pair_bits + back_bits + needed - chopped)
    raw = np.frombuffer(data, "u1")
    packed = np.zeros(pairs, np.uint64)
    for i in range(8):
        packed |= raw[at + (bits >> 3) + i].astype(np.uint64) << np.uint64(8 * i)
    packed >>= (bits & 7).astype(np.uint64)

    def field(start: int, size: int) -> Integers:
        return ((packed >> np.uint64(start)) & np.uint64((1 << size) - 1)).astype(np.int64)

    names = data[data.rindex(b"<unk>\0") :].decode().split("\0")[:words]
    # The trie runs backwards: below each word are those that may stand before it.
    second = np.repeat(np.arange(words), [b - a for a, b in pairwise(single["next"][: words + 1].tolist())])
    usual, back_off = (single[name][:words].astype(float) for name in ("usual", "back_off"))
    return Model(names, usual, back_off, field(0, word_bits), second, steps[field(word_bits + back_bits, pair_bits)])


def rows(model: Model) -> list[str]:
    """Lines of the table; its form is told in models.text.pairs."""
    nats = math.log(10)
    fits = [0 < len(w) <= LONGEST_WORD and all(ord(c) in HAN for c in w) for w in model.words]
    known = np.array(fits) & ((model.usual > SELDOM) | np.array([len(w) == 1 for w in model.words]))
    single = np.array([len(w) == 1 for w in model.words])
    first, second = model.first, model.second
    gain = (model.pair - model.usual[second]) * nats
    seen = gain - model.back_off[first] * nats
    telling = np.exp((model.pair + model.usual[first]) * nats) * seen
    kept = known[first] & known[second] & (single[first] | single[second])
    kept &= (gain >= MIN_GAIN) & (seen >= MIN_GAIN_SEEN)
    kept &= telling >= np.quantile(telling[kept], LEAST_TELLING)
    after: dict[int, list[str]] = defaultdict(list)
    for one, other, nat in zip(first[kept].tolist(), second[kept].tolist(), gain[kept].tolist(), strict=True):
        after[one].append(model.words[other] + chr(FIRST_STEP + round(nat / STEP)))
    lines = [
        f"{model.words[i]}\t{round(-model.usual[i] * nats / STEP)}\t{''.join(sorted(after[i]))}"
        for i in np.flatnonzero(known).tolist()
    ]
    return sorted(lines)


def main(argv: list[str]) -> int:
    """Write the table; returns the exit status."""
    if len(argv) != 2:
        sys.stderr.write("usage: python -m models.text.build_pairs ZH_CN_LM\n")
        return 2
    PAIRS.write_text("\n".join(rows(read_model(Path(argv[1]).read_bytes()))) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
