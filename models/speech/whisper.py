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
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.speech import timing
from models.speech.batching import group_by_length
from models.speech.drafts import Draft, Reading, is_poor, result, score, settle, silent
from models.speech.language import Choice
from models.speech.mel import HOP, MAX_FRAMES, SAMPLE_RATE, LogMel, as_float, frames_of
from models.speech.options import MAX_SECONDS, Effort, WhisperOptions
from models.speech.types import Encoded, SpeechJob, SpeechResult, Word
from models.speech.vocabulary import Vocabulary
from models.weights import Weights

COMPUTE_TYPES: Final[Mapping[str, str]] = MappingProxyType({"cpu": "int8", "cuda": "float16"})
"""Default arithmetic by device; bfloat16 and int8_float16 are for the operator to choose."""


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
        self._cpu: Any = ctranslate2.Device.cpu
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
        drafts: dict[int, Draft] = {}
        for partial, effort in ((False, options.first), (True, options.partial)):
            drafts |= self._pass({index: jobs[index] for index in heard if jobs[index].partial is partial}, effort)
        poor = [index for index in heard if is_poor(jobs[index], drafts[index], options)]
        again = [index for index in poor if thorough and not jobs[index].partial]
        again = self._worst(again, drafts, limit=max(1, int(options.retry_share * len(jobs))))
        second = self._pass({index: jobs[index] for index in again}, options.second)
        for index in poor:
            first = drafts[index]
            drafts[index] = (
                settle(jobs[index], first, second[index], options.guard)
                if index in second
                else replace(first, degraded=(*first.degraded, "no-second-pass"))
            )
        return [
            result(job, drafts[index], options) if index in drafts else silent(job, options.language)
            for index, job in enumerate(jobs)
        ]

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Word]:
        """Return the times of the words of `result`, from the decoder's attention to the encoder's positions."""
        tokens = [token for token in result.tokens if token < self._vocabulary.end]
        words = self._vocabulary.words(tokens)
        if not words:
            return []
        (path,) = self._align(job, result, [tokens])
        return timing.words(words, path.alignments, path.text_token_probs, len(tokens))

    def log_ratios(self, job: SpeechJob, result: SpeechResult, texts: Sequence[str]) -> list[float]:
        """Return how much likelier each text is than what was heard; see `models.speech.types.Rescorer`."""
        paths = self._align(job, result, [self._vocabulary.tokens(text) for text in (result.text, *texts)])
        heard, *others = (float(np.log(np.maximum(path.text_token_probs, 1e-10)).sum()) for path in paths)
        return [other - heard for other in others]

    def _align(self, job: SpeechJob, result: SpeechResult, spelled: Sequence[list[int]]) -> list[Any]:
        """Send given texts through the decoder (teacher forcing), all in one call: probabilities and alignments."""
        seen = result.encoded
        if seen is None:
            frames = frames_of(self.options.first.padded_seconds(job.seconds))
            seen = Encoded(self._encode([job], frames), 0, frames)
        spoken = min(MAX_FRAMES, frames_of(job.seconds), seen.frames)
        paths: list[Any] = self._model.align(
            self._take(seen.memory, [seen.place] * len(spelled)),
            self._vocabulary.align_prompt(result.language),
            list(spelled),
            [spoken] * len(spelled),
        )
        return paths

    def _pass(self, jobs: Mapping[int, SpeechJob], effort: Effort) -> dict[int, Draft]:
        """Decode `jobs` once, in groups of like length."""
        indices = list(jobs)
        drafts: dict[int, Draft] = {}
        lengths = [effort.padded_seconds(jobs[index].seconds) for index in indices]
        for group in group_by_length(lengths, self.options.max_batch, self.options.stretch, 0.0):
            members = [indices[place] for place in group]
            frames = frames_of(max(lengths[place] for place in group))
            found = self._decode([jobs[index] for index in members], frames, effort.beam)
            drafts.update(zip(members, found, strict=True))
        return drafts

    def _encode(self, jobs: Sequence[SpeechJob], frames: int) -> Any:
        """Return the encoder's output, [jobs, positions, width], where the model is."""
        return self._model.encode(self._view(self._mel([job.samples for job in jobs], frames)))

    def _take(self, memory: Any, places: Sequence[int]) -> Any:
        """Return these rows of an encoder's output; all in order are the output itself, others go over the host."""
        if list(places) == list(range(memory.shape[0])):
            return memory
        host = np.asarray(memory if memory.device == "cpu" else memory.to(self._float32).to_device(self._cpu))
        return self._view(host[list(places)])

    def _decode(self, jobs: Sequence[SpeechJob], frames: int, beam: int) -> list[Draft]:
        """Encode one group, find the languages, and decode each utterance in its candidate languages."""
        began = self._clock()
        memory = self._encode(jobs, frames)
        encoded = self._clock()
        choices = self._choose(jobs, memory)
        rows = self._rows(choices)
        caps = [self.options.token_cap(job.seconds, partial=job.partial) for job in jobs]
        outputs = self._model.generate(
            self._take(memory, [place for place, _ in rows]),
            [self._vocabulary.prompt(code) for _, code in rows],
            beam_size=beam,
            num_hypotheses=min(beam, 3),
            # CTranslate2 takes half of this for the transcript, as Whisper does.
            max_length=min(448, 2 * max(caps)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        decoded = self._clock()
        readings: list[list[Reading]] = [[] for _ in jobs]
        for (place, code), output in zip(rows, outputs, strict=True):
            readings[place].extend(self._readings(jobs[place], code, output, caps[place]))
        return [
            Draft(
                choice,
                tuple(sorted(found, key=score(choice), reverse=True)),
                padded_seconds=frames * HOP / SAMPLE_RATE,
                encode_seconds=(encoded - began) / len(jobs),
                decode_seconds=(decoded - encoded) / len(jobs),
                encoded=Encoded(memory, place, frames),
                degraded=_cuts(job, choice, tried=[reading.language for reading in found]),
            )
            for place, (job, choice, found) in enumerate(zip(jobs, choices, readings, strict=True))
        ]

    def _choose(self, jobs: Sequence[SpeechJob], memory: Any) -> list[Choice]:
        """Return the languages to decode in; the model is asked only where none is taken for granted."""
        asked = [place for place, job in enumerate(jobs) if not job.language]
        heard = self._model.detect_language(self._take(memory, asked)) if asked else []
        evidence = dict(zip(asked, heard, strict=True))
        policy = self.options.language
        return [
            policy.choose([(code[2:-2], p) for code, p in evidence[place]], job.prior)
            if place in evidence
            else policy.assume(job.language or "", job.prior)
            for place, job in enumerate(jobs)
        ]

    def _rows(self, choices: Sequence[Choice]) -> list[tuple[int, str]]:
        """Return (utterance, language) for each row to decode: all first choices, then the most split seconds."""
        rows = [(place, choice.candidates[0]) for place, choice in enumerate(choices)]
        split = [place for place, choice in enumerate(choices) if len(choice.candidates) > 1]
        split.sort(key=lambda place: choices[place].probability)
        limit = max(1, int(self.options.split_share * len(choices)))
        return rows + [(place, choices[place].candidates[1]) for place in split[:limit]]

    def _readings(self, job: SpeechJob, code: str, output: Any, cap: int) -> list[Reading]:
        """Turn CTranslate2's hypotheses into text, without what lies after the end of the audio."""
        found = []
        for tokens, mean in zip(output.sequences_ids, output.scores, strict=True):
            spans = self._vocabulary.spans(tokens[:cap])
            spoken = [span for span in spans if span.start < max(0.1, job.seconds - 0.1)]
            kept = tuple(token for span in spoken for token in span.tokens)
            found.append(
                Reading(
                    language=code,
                    text=self._vocabulary.text(kept),
                    tokens=kept,
                    # CTranslate2 divides by the tokens it returns; the end of text is one more.
                    avg_logprob=float(mean) * len(tokens) / (len(tokens) + 1) if tokens else -10.0,
                    no_speech=float(output.no_speech_prob),
                    finished=len(tokens) < cap or len(spoken) < len(spans),
                )
            )
        return found

    def _worst(self, indices: list[int], drafts: Mapping[int, Draft], limit: int) -> list[int]:
        return sorted(indices, key=lambda index: drafts[index].best.avg_logprob)[:limit]


def _peak_dbfs(job: SpeechJob) -> float:
    wave = as_float(job.samples)
    peak = float(np.abs(wave).max(initial=0.0))
    return 20.0 * float(np.log10(max(peak, 1e-10)))


def _cuts(job: SpeechJob, choice: Choice, tried: Sequence[str]) -> tuple[str, ...]:
    """Name what was left out."""
    cuts = []
    if job.seconds > MAX_SECONDS:
        cuts.append("over-30-s")
    if set(choice.candidates) - set(tried):
        cuts.append("one-language")
    return tuple(cuts)
