"""Says whether a voice is synthetic: two ONNX graphs and two NumPy branches, calibrated, with an 'insufficient'."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.synthetic import excitation, spectrum
from models.synthetic.texture import statistics
from models.synthetic.verdict import Calibration, SyntheticVerdict, Window
from models.synthetic.windows import (
    FRAME,
    SAMPLE_RATE,
    WINDOW_SECONDS,
    Mask,
    Samples,
    loud_frames,
    speech_seconds_in,
    window_spans,
)
from models.weights import WeightsError

MINIMUM_SPEECH_SECONDS = 2.0

_WEIGHTS = Path(__file__).parent / "weights"
_STRIDE = SAMPLE_RATE // 50  # samples per encoder frame
_SHORTEST = SAMPLE_RATE // 4  # the graph's statistics need a dozen frames

Branches = tuple[spectrum.Spectrum, excitation.Excitation]


class DetectorError(WeightsError):
    """The weights or the audio cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """What `detector.json` says beside the graphs: their hashes, the calibration, and the error rates measured."""

    sha256: dict[str, str]
    calibration: Calibration
    measured: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "DetectorCard":
        """Read the card. Raises DetectorError if it is missing or a field is."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(dict(fields["sha256"]), Calibration(**fields["calibration"]), dict(fields["measured"]))
        except FileNotFoundError:
            raise DetectorError(f"{path.name}: not found beside the graphs; reinstall, or train the detector") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DetectorError(f"{path.name}: not a detector card; reinstall, or train the detector") from error


class SyntheticDetector:
    """Scores utterances of 16 kHz mono float32 samples in [-1, 1] on CPU, one thread unless told otherwise.

    The audio passes once through `encoder.onnx`, in blocks of at most 4 s as in training; every window then
    sums up its share of the frames, of the spectrum and of the excitation for `head.onnx`. Loading checks both
    graphs against the SHA-256 of the card; raises DetectorError if they differ.
    """

    def __init__(self, weights: Path = _WEIGHTS, threads: int = 1) -> None:
        self.card = DetectorCard.read(weights / "detector.json")
        self._encoder = self._session(weights / "encoder.onnx", threads)
        self._head = self._session(weights / "head.onnx", threads)

    @property
    def version(self) -> str:
        """One SHA-256 over the graphs' own, which goes into every finding."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.card.sha256.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def score(
        self, samples: Samples, speech_mask: Mask | None = None, *, speech_seconds: float | None = None
    ) -> SyntheticVerdict:
        """Return the verdict on one utterance.

        `speech_mask` has one entry per 10 ms of `samples`, true where there is speech (not music, not singing);
        without it, frames within 35 dB of the loudest count. `speech_seconds` is what a voice activity detector
        found in the whole, where one has looked. Only windows with 2 s of speech bear on the verdict; if there are
        none it is `insufficient`, and the score of the whole is given for the record. Raises DetectorError if
        `samples` is not one-dimensional or the mask's length does not fit.
        """
        if samples.ndim != 1:
            raise DetectorError("samples: pass one channel, an array of one dimension")
        mask = loud_frames(samples) if speech_mask is None else speech_mask
        if abs(len(mask) - len(samples) / FRAME) > 1.0:
            raise DetectorError("speech_mask: pass one entry per 10 ms of samples")
        spoken = speech_seconds_in(mask, 0, len(samples)) if speech_seconds is None else speech_seconds
        calibration = self.card.calibration
        if len(samples) < _SHORTEST or not np.any(samples):
            return SyntheticVerdict("insufficient", 0.0, calibration.prior, spoken)
        frames, wave = self._frames(samples), samples.astype(np.float32)
        branches = (spectrum.analyse(wave), excitation.analyse(wave))
        enough = spoken >= MINIMUM_SPEECH_SECONDS
        spans = [
            span
            for span in window_spans(len(samples))
            if enough and speech_seconds_in(mask, *span) >= MINIMUM_SPEECH_SECONDS
        ]
        if not spans:
            (llr,) = self._ratios(frames, branches, [(0, len(samples))])
            return SyntheticVerdict("insufficient", llr, calibration.probability(llr), spoken)
        windows = tuple(
            Window(start * 1000 // SAMPLE_RATE, end * 1000 // SAMPLE_RATE, llr)
            for (start, end), llr in zip(spans, self._ratios(frames, branches, spans), strict=True)
        )
        llr = float(np.mean([window.llr for window in windows]))
        return SyntheticVerdict(calibration.verdict(llr), llr, calibration.probability(llr), spoken, windows)

    def _ratios(self, frames: Samples, branches: Branches, spans: Sequence[tuple[int, int]]) -> list[float]:
        """Score what lies in samples `start` to `end`, for each of `spans`."""
        rows = []
        for start, end in spans:
            last = min(end // _STRIDE, len(frames))
            own = frames[max(0, last - (end - start) // _STRIDE) : last]
            rows.append(np.concatenate([statistics(own), *(branch.summary(start, end) for branch in branches)]))
        (logits,) = self._head.run(None, {"statistics": np.stack(rows)})
        return [self.card.calibration.llr(float(logit)) for logit in logits]

    def _frames(self, samples: Samples) -> Samples:
        """Return [t, width] encoder frames of 20 ms, from equal blocks of at most 4 s.

        Blocks go one by one: int8 arithmetic shares its scale over a batch, and company must not change a score.
        Up to 20 ms per block are left out at the end, so that blocks consist of whole frames.
        """
        count = -(-len(samples) // (WINDOW_SECONDS * SAMPLE_RATE))
        size = len(samples) if count == 1 else len(samples) // count // _STRIDE * _STRIDE
        blocks = samples[: count * size].reshape(count, 1, size).astype(np.float32)
        return np.concatenate([self._encoder.run(None, {"samples": block})[0][0] for block in blocks])

    def _session(self, path: Path, threads: int) -> Any:
        """Open a graph after checking its hash; ONNX Runtime ships no types."""
        import onnxruntime

        graph = path.read_bytes()
        if hashlib.sha256(graph).hexdigest() != self.card.sha256.get(path.name):
            raise DetectorError(f"{path.name}: SHA-256 differs from the card; reinstall, or train the detector")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
