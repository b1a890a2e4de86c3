"""Human recordings with known text from Debian's packages; a package that is not installed is left out, with a word.

pocketsphinx-testdata: five LibriVox sentences and five lines of playing cards, 16 kHz, as recorded. asterisk-core-
sounds-en-wav with the text list of asterisk-core-sounds-en: the prompts of a telephone exchange, one speaker, 8 kHz.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtest import clips

PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
_LEAST_WORDS = 4
_SENTENCE = re.compile(r"[A-Za-z'][A-Za-z',.!? -]*")


@dataclass(frozen=True, slots=True)
class Recording:
    """A file in which somebody says ``text``; ``corpus`` stands for the speaker where he is not known by name."""

    corpus: str
    id: str
    text: str
    path: Path


def installed(directory: Path) -> list[Recording]:
    """All recordings on this machine; says what is missing. ``directory``: where names without a folder are sought."""
    found: list[Recording] = []
    for corpus, transcripts in (("librivox", "librivox/transcription"), ("cards", "cards/cards.transcription")):
        try:
            found += _sphinx(corpus, clips.locate(f"recordings:{transcripts}", directory), directory)
        except clips.NoRecordingError as missing:
            print(f"left out: {missing}")
    if PROMPTS.is_dir() and PROMPT_TEXTS.is_file():
        found += prompts(PROMPTS, gzip.decompress(PROMPT_TEXTS.read_bytes()).decode("utf-8"))
    else:
        print("left out: telephone prompts; install asterisk-core-sounds-en and asterisk-core-sounds-en-wav")
    return found


def prompts(folder: Path, texts: str) -> Iterator[Recording]:
    """The prompts of a list (``name: text`` a line) that are whole sentences and whose words are beyond doubt.

    Left out: descriptions of tones in brackets, digits (read in more than one way), and pieces of under four words.
    """
    for line in texts.splitlines():
        name, _, text = line.partition(": ")
        text = " ".join(text.split())
        plain = _SENTENCE.fullmatch(text) is not None and len(text.split()) >= _LEAST_WORDS
        path = folder / f"{name}.wav"
        if plain and path.is_file():
            yield Recording("asterisk", name.replace("/", "-"), text, path)


def _sphinx(corpus: str, transcripts: Path, directory: Path) -> Iterator[Recording]:
    """Sphinx's form: ``<s> words </s> (name)`` a line."""
    for line in transcripts.read_text(encoding="utf-8").splitlines():
        words, _, name = line.rpartition("(")
        name = name.strip(") ")
        text = " ".join(words.replace("<s>", "").replace("</s>", "").split())
        yield Recording(corpus, name, text, clips.locate(f"recordings:{corpus}/{name}.wav", directory))
