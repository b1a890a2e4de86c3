"""Comparison by sound: pinyin, digits, initials and other names, piece by piece."""

from __future__ import annotations

from models.lexicon.entries import Entry
from models.lexicon.forms import MIN_NAME, Form, Piece, is_abbreviation
from models.lexicon.tally import ALIAS, DIGIT_SOUND, INITIAL, LATIN_SYLLABLE, SAME_TONE, Tally
from models.text import pinyin
from models.text.streams import Token
from models.text.traced import Stream, TracedStreams

OTHER_TONE = 1.6
# Another tone or a confusable sound in an entry of two characters, where little else speaks for it.
SHORT_OTHER_SOUND = 1.0
# Nothing left of the entry's own characters, in an entry of two or three.
ALL_CHANGED = 3.0
# Longest entry in characters to which these apply.
_SHORT = 3


def compare_sounds(entry: Entry, form: Form, found: TracedStreams, stream: Stream, start: int, tally: Tally) -> bool:
    """Piece by piece; Latin letters must begin and end with their words."""
    position = start
    in_letters = False
    for piece in form.pieces:
        end = position + len(piece.key)
        letters = piece.key[0].isascii()
        if letters and not in_letters and not begins_word(stream, position):
            return False
        if in_letters and not letters and not ends_word(stream, position - 1):
            return False
        if not _compare_piece(entry, piece, found, stream, position, tally):
            return False
        in_letters = letters
        position = end
    if in_letters and not ends_word(stream, position - 1):
        return False
    if is_abbreviation(form) and not _stands_apart(found.tokens, stream.tokens[start], position - start):
        return False
    if tally.heard and not tally.kept and len(form.pieces) <= _SHORT:
        tally.cost += ALL_CHANGED
    if len(form.pieces) == 2 and tally.blurred:
        tally.cost += SHORT_OTHER_SOUND
    if form.pieces[-1].how == "alias" and len(form.pieces[-1].key) == 1 and form.pieces[-1].key.isascii():
        return not _short_number_follows(found.tokens, stream.tokens[position - 1])
    return _pinyin_edges(stream, found.tokens, start, position)


def begins_word(stream: Stream, position: int) -> bool:
    """Whether a stream's character is the first of its token."""
    return position == 0 or stream.tokens[position - 1] != stream.tokens[position]


def ends_word(stream: Stream, position: int) -> bool:
    """Whether a stream's character is the last of its token."""
    return position + 1 == len(stream.tokens) or stream.tokens[position + 1] != stream.tokens[position]


def _pinyin_edges(stream: Stream, tokens: list[Token], start: int, end: int) -> bool:
    """A pinyin word must not be entered in its middle by a match of fewer than three syllables."""
    if end - start >= 3:
        return True
    if not all(
        tokens[stream.tokens[i]].kind != "w" or edge(stream, i)
        for i, edge in ((start, begins_word), (end - 1, ends_word))
    ):
        return False
    # Two syllables among English words are a name or a slip ("Nunai said").
    first, last = stream.tokens[start], stream.tokens[end - 1]
    if any(t.kind != "w" for t in tokens[first : last + 1]):
        return True
    beside = [tokens[i] for i in (first - 1, last + 1) if 0 <= i < len(tokens)]
    return not any(t.word is not None and len(t.text) > 1 and not t.word.sounds for t in beside)


def _stands_apart(tokens: list[Token], first: int, letters: int) -> bool:
    """Whether an abbreviation has no other Latin word next to it, as it would in English."""
    last = first
    while last + 1 < len(tokens) and sum(len(t.text) for t in tokens[first : last + 1]) < letters:
        last += 1
    return not any(0 <= i < len(tokens) and tokens[i].kind == "w" for i in (first - 1, last + 1))


def _short_number_follows(tokens: list[Token], index: int) -> bool:
    """Whether a lone letter goes on as a model name, as in V8 or Q7; an account number has five digits or more."""
    digits = 0
    while index + 1 + digits < len(tokens) and tokens[index + 1 + digits].kind == "d":
        digits += 1
    return 0 < digits < 5


def _compare_piece(
    entry: Entry, piece: Piece, found: TracedStreams, stream: Stream, position: int, tally: Tally
) -> bool:
    token = found.tokens[stream.tokens[position]]
    if piece.how == "sound":
        return _compare_sound(entry, piece, token, stream, position, tally)
    if piece.how == "digit":
        if token.text != piece.text:
            tally.heard = True
            tally.add(DIGIT_SOUND, f"{token.text} sounds like {piece.text}")
        return True
    if token.word is not None and token.word.common and len(token.text) > 1 and token.text != piece.text:
        # An everyday word is no abbreviation, but may be half a name ("whats app").
        return piece.how == "letters" and len(piece.key) >= MIN_NAME
    if piece.how == "initial":
        tally.abbreviated = True
        tally.add(INITIAL, f"{piece.key} for {piece.text}")
    elif piece.how == "alias":
        if token.kind == "h" and token.text != piece.text:
            return False
        tally.abbreviated = True
        tally.add(ALIAS / len(piece.key), f"{piece.text} as another name")
    return True


def _compare_sound(entry: Entry, piece: Piece, token: Token, stream: Stream, position: int, tally: Tally) -> bool:
    if token.text == piece.text:
        tally.kept = True
        return True
    if "phonetic" not in entry.match:
        return False
    tally.heard = True
    targets = _readings(piece.text)
    if token.kind == "w":
        word = token.word
        if word is None or not word.sounds:
            return False
        offset = position
        while offset > 0 and stream.tokens[offset - 1] == stream.tokens[position]:
            offset -= 1
        syllable = word.sounds[position - offset]
        cost = min(
            (c for t in targets if (c := pinyin.sound_cost(syllable, t.rstrip("012345"))) is not None), default=None
        )
        if cost is None:
            return False
        tally.kept = True
        tally.add(LATIN_SYLLABLE + cost, f"{syllable} spells {piece.text}")
        return True
    if token.kind == "d":
        tally.add(DIGIT_SOUND, f"{token.text} sounds like {piece.text}")
        return True
    best = min((c for s in _readings(token.text) for t in targets if (c := toned_cost(s, t)) is not None), default=None)
    if best is None:
        return False
    tally.blurred |= best > SAME_TONE
    tally.add(best, f"{token.text} sounds like {piece.text}")
    return True


def _readings(text: str) -> tuple[str, ...]:
    """Readings of a character; a piece that is a syllable already is its own."""
    return pinyin.readings().get(text, (text,))


def toned_cost(left: str, right: str) -> float | None:
    """Cost of hearing one toned syllable for another; None if they are unrelated."""
    cost = pinyin.sound_cost(left.rstrip("012345"), right.rstrip("012345"))
    if cost is None:
        return None
    neutral = not left[-1].isdigit() or not right[-1].isdigit() or "0" in {left[-1], right[-1]}
    return cost + (SAME_TONE if neutral or left[-1] == right[-1] else OTHER_TONE)
