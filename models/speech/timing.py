"""When each word was said, from the decoder's attention to the encoder's positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.speech.types import Word
from models.speech.vocabulary import SECONDS_PER_TIMESTAMP, WordTokens, split_cjk


@dataclass(frozen=True, slots=True)
class WordTime:
    """When the characters ``begin`` to ``end`` of a text were said, in ms: from where is for the holder to say."""

    begin: int
    end: int
    start_ms: float
    end_ms: float


def placed(text: str, said: Sequence[Word]) -> tuple[WordTime, ...]:
    """Return where each word stands in `text`; words that are not found after the one before are left out."""
    found: list[WordTime] = []
    at = 0
    for word in said:
        begin = text.find(word.text, at)
        if begin >= 0:
            at = begin + len(word.text)
            found.append(WordTime(begin, at, word.start_ms, word.end_ms))
    return tuple(found)


def words(
    spelled: Sequence[WordTokens], path: Sequence[tuple[int, int]], probabilities: Sequence[float], tokens: int
) -> list[Word]:
    """Return the words of a transcript of `tokens` text tokens with their times.

    `path`: pairs of token and encoder position along the best alignment, `probabilities`: one for each token, both
    as `ctranslate2.models.Whisper.align` gives them.
    """
    found: list[Word] = []
    for word, (start, end) in zip(spelled, _word_edges(spelled, _token_starts(path, tokens)), strict=True):
        probability = float(np.mean(probabilities[word.first : word.last + 1]))
        found.extend(_spread(word.text, start, end, probability))
    return found


def _word_edges(words: Sequence[WordTokens], starts: Sequence[float]) -> list[tuple[float, float]]:
    """Return start and end of each word in seconds, the first and the last not stretched over silence.

    Attention lets the first word begin with the audio and the last end with it; as in OpenAI's
    `whisper/timing.py`, neither may last longer than twice the median word.
    """
    edges = [(starts[word.first], max(starts[word.first], starts[word.last + 1])) for word in words]
    longest = max(0.2, 2.0 * float(np.median([end - start for start, end in edges])))
    start, end = edges[0]
    edges[0] = (max(start, end - longest), end)
    start, end = edges[-1]
    edges[-1] = (start, min(end, start + longest))
    return edges


def _spread(text: str, start: float, end: float, probability: float) -> list[Word]:
    """Return the word with its times; a token of several Chinese characters is shared out among them evenly."""
    parts = split_cjk(text)
    edges = [round(1000 * (start + (end - start) * place / len(parts))) for place in range(len(parts) + 1)]
    return [Word(part, edges[place], edges[place + 1], probability) for place, part in enumerate(parts)]


def _token_starts(alignments: Sequence[tuple[int, int]], count: int) -> list[float]:
    """Return when each text token begins, in seconds, and as the last entry when the last one ends.

    The path of dynamic time warping goes through (token, position) pairs in order; a token begins at the first
    position that belongs to it. Token `count` is the end of text.
    """
    starts: dict[int, int] = {}
    last = 0
    for token, position in alignments:
        starts.setdefault(token, position)
        last = position
    times = [starts.get(token, last) for token in range(count + 1)]
    return [SECONDS_PER_TIMESTAMP * at for at in times]
