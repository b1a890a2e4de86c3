"""Whisper on CTranslate2 with short inputs, in batches.

Whisper's encoder is built for 30 s and most servers feed it 30 s, though an utterance lasts 1 to 8 s. CTranslate2
takes any length from one frame up, and each item of a batch comes out exactly as it would alone. So utterances
of like length are padded with a little silence to one common length, encoded once, asked for their language
with the same encoder output, and decoded greedily together, each in its own language.

Two things keep short inputs honest. Transcripts are timed: begun at <|0.00|>, Whisper says when the speech ends,
and whatever it puts after the end of the audio is cut; untimed, it repeats whole sentences. And a result with bad
signals is tried again, with longer padding and beam search, before the guard has its word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.speech import guard, timing
from models.speech.batching import group_by_length
from models.speech.language import Choice, LanguagePolicy
from models.speech.mel import HOP, MAX_FRAMES, SAMPLE_RATE, LogMel, as_float, frames_of
from models.speech.options import MAX_SECONDS, Effort, WhisperOptions
from models.speech.text import compression_ratio
from models.speech.types import Alternative, SpeechJob, SpeechResult, Word
from models.speech.vocabulary import Vocabulary
from models.weights import Weights

COMPUTE_TYPES: Final[Mapping[str, str]] = MappingProxyType({"cpu": "int8", "cuda": "float16"})
"""Default arithmetic by device; bfloat16 and int8_float16 are for the operator to choose."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One hypothesis for one utterance."""

    language: str
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech: float
    finished: bool


@dataclass(frozen=True, slots=True)
class _Draft:
    """What one pass says about one utterance: readings, best first."""

    choice: Choice
    readings: tuple[_Reading, ...]
    padded_seconds: float
    encode_seconds: float
    decode_seconds: float
    degraded: tuple[str, ...] = ()
    stable: bool = True

    @property
    def best(self) -> _Reading:
        return self.readings[0]


class WhisperRecogniser:
    """A Whisper model and its front end. Load once, call from one thread.

    Several of them may live in one process, one per GPU; to change models, load the new one, then `close` the old.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        options: WhisperOptions | None = None,
        device: str = "cpu",
        device_index: int = 0,
        compute_type: str | None = None,
        intra_threads: int = 2,
        inter_threads: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Load `weights`. `compute_type`: int8, float16, bfloat16…; by default what suits `device`."""
        import ctranslate2

        self.options = options or WhisperOptions()
        self._weights = weights
        self._clock = clock
        self._vocabulary = Vocabulary(weights.directory)
        self._view: Callable[[NDArray[np.float32]], Any] = ctranslate2.StorageView.from_array
        self._float32: Any = ctranslate2.DataType.float32
        self._model: Any = ctranslate2.models.Whisper(
            str(weights.directory),
            device=device,
            device_index=device_index,
            compute_type=compute_type or COMPUTE_TYPES.get(device, "default"),
            intra_threads=intra_threads,
            inter_threads=inter_threads,
        )
        self._mel = LogMel(self._model.n_mels)

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
        self._model.unload_model()

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """Recognise `jobs`; see `models.speech.types.Recogniser`. Audio beyond 30 s is cut and said so."""
        options = self.options
        heard = [index for index, job in enumerate(jobs) if _peak_dbfs(job) > options.silence_dbfs]
        drafts = self._pass({index: jobs[index] for index in heard}, options.first)
        poor = [index for index in heard if self._is_poor(jobs[index], drafts[index])]
        again = [index for index in poor if thorough and not jobs[index].partial]
        again = self._worst(again, drafts, limit=max(1, int(options.retry_share * len(jobs))))
        second = self._pass({index: jobs[index] for index in again}, options.second)
        for index in poor:
            first = drafts[index]
            drafts[index] = (
                self._settle(jobs[index], first, second[index])
                if index in second
                else replace(first, degraded=(*first.degraded, "no-second-pass"))
            )
        return [
            self._result(job, drafts[index]) if index in drafts else _silent(job, options.language)
            for index, job in enumerate(jobs)
        ]

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Word]:
        """Return the times of the words of `result`, from the decoder's attention to the encoder's positions."""
        tokens = [token for token in result.tokens if token < self._vocabulary.end]
        words = self._vocabulary.words(tokens)
        if not words:
            return []
        memory = self._encode([job], frames_of(self.options.first.padded_seconds(job.seconds)))
        prompt = self._vocabulary.align_prompt(result.language)
        spoken = min(MAX_FRAMES, frames_of(job.seconds))
        path = self._model.align(self._view(memory), prompt, [tokens], [spoken])[0]
        return timing.words(words, path.alignments, path.text_token_probs, len(tokens))

    def _pass(self, jobs: Mapping[int, SpeechJob], effort: Effort) -> dict[int, _Draft]:
        """Decode `jobs` once, in groups of like length."""
        indices = list(jobs)
        drafts: dict[int, _Draft] = {}
        lengths = [effort.padded_seconds(jobs[index].seconds) for index in indices]
        for group in group_by_length(lengths, self.options.max_batch, self.options.stretch, 0.0):
            members = [indices[place] for place in group]
            frames = frames_of(max(lengths[place] for place in group))
            found = self._decode([jobs[index] for index in members], frames, effort.beam)
            drafts.update(zip(members, found, strict=True))
        return drafts

    def _encode(self, jobs: Sequence[SpeechJob], frames: int) -> NDArray[np.float32]:
        """Return the encoder's output, [jobs, positions, width], on the host in float32."""
        mel = self._mel([job.samples for job in jobs], frames)
        return np.asarray(self._model.encode(self._view(mel), to_cpu=True).to(self._float32))

    def _decode(self, jobs: Sequence[SpeechJob], frames: int, beam: int) -> list[_Draft]:
        """Encode one group, find the languages, and decode each utterance in its candidate languages."""
        began = self._clock()
        memory = self._encode(jobs, frames)
        encoded = self._clock()
        evidence = self._model.detect_language(self._view(memory))
        choices = [
            self.options.language.choose([(code[2:-2], p) for code, p in heard], job.prior)
            for heard, job in zip(evidence, jobs, strict=True)
        ]
        rows = self._rows(choices)
        if len(rows) > len(jobs):
            memory = memory[[place for place, _ in rows]]
        outputs = self._model.generate(
            self._view(memory),
            [self._vocabulary.prompt(code) for _, code in rows],
            beam_size=beam,
            num_hypotheses=min(beam, 3),
            # CTranslate2 takes half of this for the transcript, as Whisper does.
            max_length=min(448, 2 * max(self.options.token_cap(job.seconds) for job in jobs)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        decoded = self._clock()
        readings: list[list[_Reading]] = [[] for _ in jobs]
        for (place, code), output in zip(rows, outputs, strict=True):
            readings[place].extend(self._readings(jobs[place], code, output))
        return [
            _Draft(
                choice,
                tuple(sorted(found, key=_score(choice), reverse=True)),
                padded_seconds=frames * HOP / SAMPLE_RATE,
                encode_seconds=(encoded - began) / len(jobs),
                decode_seconds=(decoded - encoded) / len(jobs),
                degraded=_cuts(job, choice, tried=[reading.language for reading in found]),
            )
            for job, choice, found in zip(jobs, choices, readings, strict=True)
        ]

    def _rows(self, choices: Sequence[Choice]) -> list[tuple[int, str]]:
        """Return (utterance, language) for each row to decode: all first choices, then the most split seconds."""
        rows = [(place, choice.candidates[0]) for place, choice in enumerate(choices)]
        split = [place for place, choice in enumerate(choices) if len(choice.candidates) > 1]
        split.sort(key=lambda place: choices[place].probability)
        limit = max(1, int(self.options.split_share * len(choices)))
        return rows + [(place, choices[place].candidates[1]) for place in split[:limit]]

    def _readings(self, job: SpeechJob, code: str, output: Any) -> list[_Reading]:
        """Turn CTranslate2's hypotheses into text, without what lies after the end of the audio."""
        cap = self.options.token_cap(job.seconds)
        found = []
        for tokens, score in zip(output.sequences_ids, output.scores, strict=True):
            spans = self._vocabulary.spans(tokens[:cap])
            spoken = [span for span in spans if span.start < max(0.1, job.seconds - 0.1)]
            kept = tuple(token for span in spoken for token in span.tokens)
            found.append(
                _Reading(
                    language=code,
                    text=self._vocabulary.text(kept),
                    tokens=kept,
                    # CTranslate2 divides by the tokens it returns; the end of text is one more.
                    avg_logprob=float(score) * len(tokens) / (len(tokens) + 1) if tokens else -10.0,
                    no_speech=float(output.no_speech_prob),
                    finished=len(tokens) < cap or len(spoken) < len(spans),
                )
            )
        return found

    def _is_poor(self, job: SpeechJob, draft: _Draft) -> bool:
        """Say whether a second pass may change the outcome: doubtful words, or a decoder that went astray."""
        signals = _signals(job, draft.best)
        reason = guard.reason(signals, self.options.guard)
        if reason is not None:
            return reason in ("loop", "rate")
        poor = draft.best.avg_logprob < self.options.retry_logprob
        return poor or guard.needs_second_look(signals, self.options.guard)

    def _settle(self, job: SpeechJob, first: _Draft, second: _Draft) -> _Draft:
        """Choose between two passes: a decoder that ended, then the higher mean log probability.

        Doubtful words that the two do not share are nobody's: hallucinations change with the padding.
        """
        limits = self.options.guard
        chosen = max(second, first, key=lambda draft: (draft.best.finished, draft.best.avg_logprob))
        doubtful = guard.needs_second_look(_signals(job, first.best), limits)
        same = guard.agreement(first.best.text, second.best.text) >= limits.agreement
        return replace(
            chosen,
            encode_seconds=first.encode_seconds + second.encode_seconds,
            decode_seconds=first.decode_seconds + second.decode_seconds,
            stable=same or not doubtful,
        )

    def _worst(self, indices: list[int], drafts: Mapping[int, _Draft], limit: int) -> list[int]:
        return sorted(indices, key=lambda index: drafts[index].best.avg_logprob)[:limit]

    def _result(self, job: SpeechJob, draft: _Draft) -> SpeechResult:
        best = draft.best
        reason = guard.reason(_signals(job, best), self.options.guard)
        if reason is None and not draft.stable:
            reason = "unstable"
        return SpeechResult(
            id=job.id,
            text="" if reason else best.text,
            language="" if reason else best.language,
            language_probability=draft.choice.probability,
            posterior=draft.choice.posterior,
            avg_logprob=best.avg_logprob,
            no_speech_probability=best.no_speech,
            compression_ratio=compression_ratio(best.text),
            tokens=() if reason else best.tokens,
            guard=reason,
            withheld=best.text if reason else "",
            alternatives=() if reason else _alternatives(draft),
            padded_seconds=draft.padded_seconds,
            encode_seconds=draft.encode_seconds,
            decode_seconds=draft.decode_seconds,
            degraded=draft.degraded,
        )


def _peak_dbfs(job: SpeechJob) -> float:
    wave = as_float(job.samples)
    peak = float(np.abs(wave).max(initial=0.0))
    return 20.0 * float(np.log10(max(peak, 1e-10)))


def _silent(job: SpeechJob, policy: LanguagePolicy) -> SpeechResult:
    """Return the result for an utterance without sound."""
    choice = policy.choose([], job.prior)
    return SpeechResult(
        id=job.id,
        text="",
        language="",
        language_probability=0.0,
        posterior=choice.posterior,
        avg_logprob=0.0,
        no_speech_probability=1.0,
        compression_ratio=0.0,
        guard="silence",
    )


def _signals(job: SpeechJob, reading: _Reading) -> guard.Signals:
    return guard.Signals(
        text=reading.text,
        seconds=job.seconds if job.speech_seconds is None else job.speech_seconds,
        avg_logprob=reading.avg_logprob,
        no_speech_probability=reading.no_speech,
        compression_ratio=compression_ratio(reading.text),
        finished=reading.finished,
    )


def _score(choice: Choice) -> Callable[[_Reading], float]:
    """Return the key that ranks readings: mean log probability, plus the language's own evidence per reading."""

    def key(reading: _Reading) -> float:
        belief = choice.posterior.get(reading.language, 1.0)
        return reading.avg_logprob + 0.2 * float(np.log(max(belief, 1e-3)))

    return key


def _cuts(job: SpeechJob, choice: Choice, tried: Sequence[str]) -> tuple[str, ...]:
    """Name what was left out."""
    cuts = []
    if job.seconds > MAX_SECONDS:
        cuts.append("over-30-s")
    if set(choice.candidates) - set(tried):
        cuts.append("one-language")
    return tuple(cuts)


def _alternatives(draft: _Draft) -> tuple[Alternative, ...]:
    seen = {draft.best.text, ""}
    found = []
    for reading in draft.readings[1:]:
        if reading.text not in seen:
            seen.add(reading.text)
            found.append(Alternative(reading.text, reading.language, reading.avg_logprob))
    return tuple(found)
