"""The ways to recognise a list of utterances that are compared: ours, and those of faster-whisper and WhisperLive.

Each runs in a process of its own (`Contender`), on the same weights and with the same number of threads; the peers
with their own default parameters, so with a beam of 5 and, in a 30 s window, whatever the length of the utterance.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.clips import RATE, Pcm

BATCH = 8
LIVE_STEP_S = 1.0
"""WhisperLive transcribes its buffer again when it holds at least a second."""


@dataclass(frozen=True, slots=True)
class Round:
    """One engine's run over all utterances: transcripts, wall seconds, batch sizes, peak resident memory (MiB)."""

    texts: tuple[str, ...]
    seconds: float
    batches: tuple[int, ...]
    peak_mib: float


Run = Callable[[Sequence[Pcm]], tuple[list[str], list[int]]]


def ours(directory: Path, threads: int, pad_seconds: float | None = None) -> Run:
    """Our recogniser as `listen` uses it: as many batches at once as there are threads, one thread each."""
    from models import weights
    from models.speech import SpeechJob
    from models.speech.batching import group_by_length
    from models.speech.options import Effort, WhisperOptions
    from models.speech.whisper import WhisperRecogniser

    options = WhisperOptions()
    if pad_seconds is not None:
        least = max(options.first.least_seconds, pad_seconds)
        options = WhisperOptions(first=Effort(pad_seconds=pad_seconds, least_seconds=least, beam=1))
    found = weights.find("whisper-base", path=directory)
    recogniser = WhisperRecogniser(found, options=options, intra_threads=1, inter_threads=threads)

    def run(utterances: Sequence[Pcm]) -> tuple[list[str], list[int]]:
        lengths = [len(samples) / RATE for samples in utterances]
        groups = group_by_length(lengths, BATCH, options.stretch, options.first.pad_seconds)
        texts = [""] * len(utterances)

        def hear(group: list[int]) -> None:
            for index, result in zip(
                group, recogniser.transcribe([SpeechJob(str(i), utterances[i]) for i in group]), strict=True
            ):
                texts[index] = result.text

        with ThreadPoolExecutor(threads) as lanes:
            # The longest first, so that no lane is left with one at the end.
            list(lanes.map(hear, reversed(groups)))
        return texts, [len(group) for group in groups]

    return run


def plain(directory: Path, threads: int, beam: int = 5) -> Run:
    """`WhisperModel.transcribe` for one utterance after the other."""
    model = _model(directory, threads)

    def run(utterances: Sequence[Pcm]) -> tuple[list[str], list[int]]:
        texts = []
        for samples in utterances:
            segments, _ = model.transcribe(_floats(samples), beam_size=beam)
            texts.append("".join(segment.text for segment in segments))
        return texts, [1] * len(texts)

    return run


def batched(directory: Path, threads: int) -> Run:
    """`BatchedInferencePipeline` over all utterances laid end to end, their places given as clip timestamps."""
    from faster_whisper import BatchedInferencePipeline

    pipeline = BatchedInferencePipeline(_model(directory, threads))

    def run(utterances: Sequence[Pcm]) -> tuple[list[str], list[int]]:
        edges = np.cumsum([0, *(len(samples) for samples in utterances)]) / RATE
        places = [{"start": float(low), "end": float(high)} for low, high in pairwise(edges)]
        segments, _ = pipeline.transcribe(
            _floats(np.concatenate(utterances)), batch_size=BATCH, clip_timestamps=places, multilingual=True
        )
        texts = [""] * len(utterances)
        for segment in segments:
            middle = (segment.start + segment.end) / 2
            place = min(len(texts) - 1, max(0, int(np.searchsorted(edges, middle, side="right")) - 1))
            texts[place] += segment.text
        sizes = [min(BATCH, len(texts) - first) for first in range(0, len(texts), BATCH)]
        return texts, sizes

    return run


def live(directory: Path, threads: int) -> Run:
    """WhisperLive's way: each stream's buffer is transcribed again, from its beginning, whenever a second has come.

    With the parameters of its faster-whisper backend: voice activity filter on with an onset of 0.5, language kept once
    it has a probability above 0.5, everything else the library's default. The last answer is the transcript.
    """
    model = _model(directory, threads)

    def run(utterances: Sequence[Pcm]) -> tuple[list[str], list[int]]:
        texts, calls = [], 0
        step = int(LIVE_STEP_S * RATE)
        for samples in utterances:
            language, text = None, ""
            ends = [*range(step, len(samples), step), len(samples)]
            for end in ends:
                calls += 1
                segments, info = model.transcribe(
                    _floats(samples[:end]), language=language, vad_filter=True, vad_parameters={"threshold": 0.5}
                )
                text = "".join(segment.text for segment in segments)
                if language is None and info.language_probability > 0.5:
                    language = info.language
            texts.append(text)
        return texts, [1] * calls

    return run


ENGINES: dict[str, Callable[[Path, int], Run]] = {
    "ours": ours,
    "plain": plain,
    "plain greedy": partial(plain, beam=1),
    "batched": batched,
    "live": live,
    **{f"ours, {pad:g} s": partial(ours, pad_seconds=pad) for pad in (1.0, 1.5, 2.0, 3.0, 30.0)},
}
PADDINGS = tuple(name for name in ENGINES if name.startswith("ours,"))


class Contender:
    """One engine in a process of its own, so that its memory is its own."""

    def __init__(self, name: str, directory: Path, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._pool = ProcessPoolExecutor(1, context, _load, (name, directory, threads))

    def run(self, utterances: Sequence[Pcm]) -> Round:
        """Recognise all; blocks."""
        return self._pool.submit(_run, list(utterances)).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


_loaded: list[Run] = []


def _load(name: str, directory: Path, threads: int) -> None:
    _loaded[:] = [ENGINES[name](directory, threads)]


def _run(utterances: list[Pcm]) -> Round:
    began = time.perf_counter()
    texts, batches = _loaded[0](utterances)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Round(tuple(texts), seconds, tuple(batches), peak)


def _model(directory: Path, threads: int) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=threads)


def _floats(samples: Pcm) -> Any:
    return samples.astype(np.float32) / np.float32(32768)
