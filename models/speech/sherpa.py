"""SenseVoice and Paraformer by sherpa-onnx: another recogniser in one file.

Made for a folder as sherpa-onnx's releases pack it: ``tokens.txt`` and ``model.onnx`` or ``model.int8.onnx``.
SenseVoice tells the language itself and writes its tags as tokens (``<|zh|>``), by which the two are told apart.
Neither has a likelihood of its words or of silence, so the guard rests on the text (loops, phantoms, rate) and on the
sound events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from models.speech import guard
from models.speech.mel import SAMPLE_RATE, as_float
from models.speech.text import compression_ratio, units
from models.speech.types import SpeechJob, SpeechResult, Word
from models.weights import Weights, WeightsError, sha256_of

MODELS: Final = ("model.int8.onnx", "model.onnx")
_TOKENS: Final = "tokens.txt"
_SUPPORTED: Final = ("zh", "en")


def packed(directory: Path) -> bool:
    """Say whether a folder holds a model as this recogniser takes it."""
    return (directory / _TOKENS).is_file() and any((directory / name).is_file() for name in MODELS)


@dataclass(frozen=True, slots=True)
class _Heard:
    """What sherpa-onnx says of one utterance: text, language tag, tokens and where each begins, in seconds."""

    text: str
    language: str
    tokens: tuple[str, ...]
    starts: tuple[float, ...]


class SherpaRecogniser:
    """A SenseVoice or Paraformer model. Load once, call from one thread."""

    def __init__(
        self,
        weights: Weights,
        *,
        device: str = "cpu",
        threads: int = 2,
        limits: guard.Thresholds = guard.DEFAULT,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load the model.

        Raises:
            WeightsError: when sherpa-onnx is not installed.
        """
        try:
            import sherpa_onnx
        except ImportError:
            raise WeightsError("sherpa-onnx is not installed; install roomwarden[sherpa]") from None
        directory = weights.directory
        model = next(str(directory / name) for name in MODELS if (directory / name).is_file())
        tokens = directory / _TOKENS
        self._tagged = "<|zh|>" in tokens.read_text(encoding="utf-8")
        factory = sherpa_onnx.OfflineRecognizer
        make = factory.from_sense_voice if self._tagged else factory.from_paraformer
        self._model: Any = make(model, str(tokens), num_threads=threads, provider=device)
        self._weights = weights
        self._limits = limits
        self._clock = clock

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self._weights.name

    @property
    def versions(self) -> Mapping[str, str]:
        """Fingerprint of the weights, by name."""
        return MappingProxyType({self._weights.name: self._weights.fingerprint})

    def close(self) -> None:
        """Free the model's memory."""
        self._model = None

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """Recognise `jobs` in one batch; see `models.speech.types.Recogniser`. There is no second pass to leave out."""
        began = self._clock()
        heard = self._hear(jobs)
        seconds = (self._clock() - began) / max(1, len(jobs))
        return [self._result(job, found, seconds) for job, found in zip(jobs, heard, strict=True)]

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Word]:
        """Return when each word of `result` was said: from its first token to the next word's, or the end."""
        if not result.text:
            return []
        (heard,) = self._hear([job])
        edges = [round(1000 * start) for start in heard.starts] + [round(1000 * job.seconds)]
        words: list[Word] = []
        for place, token in enumerate(heard.tokens):
            text = token.replace("▁", " ")
            if words and not text.startswith(" ") and text.strip().isascii() and words[-1].text.isascii():
                words[-1] = Word(words[-1].text + text, words[-1].start_ms, edges[place + 1], 1.0)
            elif any(char.isalnum() for char in text):
                words.append(Word(text.strip(), edges[place], edges[place + 1], 1.0))
        return words

    def _hear(self, jobs: Sequence[SpeechJob]) -> list[_Heard]:
        streams = []
        for job in jobs:
            stream = self._model.create_stream()
            stream.accept_waveform(SAMPLE_RATE, as_float(job.samples))
            streams.append(stream)
        if streams:
            self._model.decode_streams(streams)
        return [
            _Heard(
                stream.result.text.strip(),
                stream.result.lang.strip("<|>"),
                tuple(stream.result.tokens),
                tuple(stream.result.timestamps),
            )
            for stream in streams
        ]

    def _result(self, job: SpeechJob, heard: _Heard, seconds: float) -> SpeechResult:
        language = heard.language or _script(heard.text)
        signals = guard.Signals(
            text=heard.text,
            seconds=job.seconds if job.speech_seconds is None else job.speech_seconds,
            avg_logprob=0.0,
            no_speech_probability=0.0,
            compression_ratio=compression_ratio(heard.text),
        )
        reason = guard.reason(signals, self._limits)
        return SpeechResult(
            id=job.id,
            text="" if reason else heard.text,
            language="" if reason else language,
            language_probability=1.0,
            posterior=_posterior(language),
            avg_logprob=0.0,
            no_speech_probability=0.0,
            compression_ratio=signals.compression_ratio,
            guard=reason,
            withheld=heard.text if reason else "",
            padded_seconds=job.seconds,
            decode_seconds=seconds,
            degraded=("no-likelihood",),
        )


def _posterior(language: str) -> dict[str, float]:
    """Return the language as a distribution over the supported ones: even where it is none of them."""
    if language not in _SUPPORTED:
        return dict.fromkeys(_SUPPORTED, 1.0 / len(_SUPPORTED))
    return {code: float(code == language) for code in _SUPPORTED}


def _script(text: str) -> str:
    """Return the language of a text that nobody tagged: Chinese if it has a Chinese character, else English."""
    return "zh" if any("\u4e00" <= unit <= "\u9fff" for unit in units(text)) else "en"


def from_directory(directory: Path, *, device: str = "cpu", threads: int = 2) -> SherpaRecogniser:
    """Load the recogniser from a folder.

    Raises:
        WeightsError: when sherpa-onnx is not installed.
    """
    model = next(name for name in MODELS if (directory / name).is_file())
    digests = {file: sha256_of(directory / file) for file in (model, _TOKENS)}
    weights = Weights(directory.name, directory, MappingProxyType(digests), "path", known=False)
    return SherpaRecogniser(weights, device=device, threads=threads)
