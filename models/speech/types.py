"""What a speech recogniser takes and gives, whichever recogniser it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from models.speech.mel import SAMPLE_RATE, Samples

Languages = Mapping[str, float]
"""Probability by ISO 639-1 code."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechJob:
    """One utterance to be recognised.

    `samples`: mono at 16 kHz, int16 or float32 in [-1, 1]. `partial`: the utterance is still open, so a quick
    answer is worth more than a second try. `prior`: how likely each language is for this speaker before a word is
    heard. `speech_seconds`: how much of it the voice activity detector holds for speech, if known. `language`: taken
    for granted, so that the model is not asked; for partials of an utterance that it was asked about before.
    `previous`: what the revision before said, believed or not; a partial in doubt is believed if it says the same.
    """

    id: str
    samples: Samples = field(repr=False)
    partial: bool = False
    prior: Languages | None = None
    speech_seconds: float | None = None
    language: str | None = None
    previous: str = field(default="", repr=False)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another reading of the same utterance: a lower-ranked hypothesis, the other language, or a near miss.

    `log_ratio`, of near misses: log likelihood of the reading less that of the transcript, in nats.
    """

    text: str = field(repr=False)
    language: str
    avg_logprob: float
    log_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word (or one Chinese character) with its place in the utterance, in ms, and its probability."""

    text: str = field(repr=False)
    start_ms: int
    end_ms: int
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What the recogniser's encoder made of a batch, the place of an utterance in it, and its length there in frames.

    Whoever holds it holds the batch's memory: it goes with its result, which lives until it is published.
    """

    memory: Any = field(repr=False)
    place: int
    frames: int


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """What was heard in one utterance.

    `text` is empty whenever `guard` names a reason not to believe the words; `withheld` then keeps them for the
    record, and nobody may judge them. `language` is "" where nothing was said. `posterior` holds the supported
    languages only and sums to one. `avg_logprob` is the mean natural log probability of a token, end included.
    `padded_seconds` is the length that the encoder saw. `encode_seconds` and `decode_seconds` are this
    utterance's share of the batch's wall time. `degraded` names what was left out or cut. `encoded` spares the
    recogniser a second look at the audio, where it keeps such a thing.
    """

    id: str
    text: str = field(repr=False)
    language: str
    language_probability: float
    posterior: Languages
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    tokens: tuple[int, ...] = field(default=(), repr=False)
    guard: str | None = None
    withheld: str = field(default="", repr=False)
    alternatives: tuple[Alternative, ...] = field(default=(), repr=False)
    padded_seconds: float = 0.0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0
    degraded: tuple[str, ...] = ()
    encoded: Encoded | None = field(default=None, repr=False, compare=False)


class Recogniser(Protocol):
    """A model that turns utterances into words. One thread owns it and makes all calls.

    `versions` maps each weight file's set to the SHA-256 that goes into the findings.
    """

    @property
    def name(self) -> str:
        """Name of the model, such as "whisper-base"."""

    @property
    def versions(self) -> Mapping[str, str]:
        """SHA-256 fingerprint of each set of weights in use, by name."""

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """Recognise `jobs` and return one result each, in the same order.

        Without `thorough` no utterance is tried a second time; results say so in `degraded` where it
        would have been. Raises ValueError for samples that are not mono.
        """

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Word]:
        """Return when each word of `result` was said. Costs less than recognising the job."""

    def close(self) -> None:
        """Free the model's memory; the recogniser cannot be used afterwards."""


@runtime_checkable
class Rescorer(Protocol):
    """What a recogniser may do beside: say how well other words fit what was said. Called on its thread."""

    def log_ratios(self, job: SpeechJob, result: SpeechResult, texts: Sequence[str]) -> list[float]:
        """Return the log likelihood of each text given the audio, less that of the text of ``result``, in nats.

        All are scored in the language of ``result``, and for what they say, not for ending there: they should be about
        as long as it. Costs about as much as word times.
        """
