"""Says whether a voice is synthetic: an ONNX graph from waveform to logit, calibrated, with an 'insufficient'."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.synthetic.verdict import Calibration, SyntheticVerdict, Window
from models.synthetic.windows import (
    FRAME,
    SAMPLE_RATE,
    Mask,
    Samples,
    loud_frames,
    speech_seconds,
    window_spans,
)

MINIMUM_SPEECH_SECONDS = 2.0

_WEIGHTS = Path(__file__).parent / "weights"
_SHORTEST = SAMPLE_RATE // 4  # the graph's statistics need a dozen frames


class DetectorError(ValueError):
    """The weights or the audio cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """What `detector.json` says beside the graph: its name and hash, calibration, and the error rates measured."""

    model: str
    sha256: str
    calibration: Calibration
    measured: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "DetectorCard":
        """Read the card. Raises DetectorError if it is missing or a field is."""
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(fields["model"], fields["sha256"], Calibration(**fields["calibration"]), fields["measured"])
        except FileNotFoundError:
            raise DetectorError(f"{path.name}: not found beside the graph; reinstall, or train the detector") from None
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise DetectorError(f"{path.name}: not a detector card; train the detector anew") from error


class SyntheticDetector:
    """Scores utterances of 16 kHz mono float32 samples in [-1, 1] on one CPU thread.

    Loading checks the graph against the SHA-256 of its card; raises DetectorError if they differ.
    """

    def __init__(self, weights: Path = _WEIGHTS, threads: int = 1) -> None:
        import onnxruntime

        self.card = DetectorCard.read(weights / "detector.json")
        graph = (weights / self.card.model).read_bytes()
        if hashlib.sha256(graph).hexdigest() != self.card.sha256:
            raise DetectorError(f"{self.card.model}: SHA-256 differs from the card; reinstall, or train the detector")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @property
    def version(self) -> str:
        """The graph's SHA-256, which goes into every finding."""
        return self.card.sha256

    def score(self, samples: Samples, speech_mask: Mask | None = None) -> SyntheticVerdict:
        """Return the verdict on one utterance.

        `speech_mask` has one entry per 10 ms of `samples`, true where there is speech (not music, not singing);
        without it, frames within 35 dB of the loudest count. Only windows with 2 s of speech bear on the
        verdict; if there are none it is `insufficient`, and the score of the whole is given for the record.
        Raises DetectorError if `samples` is not one-dimensional or the mask's length does not fit.
        """
        if samples.ndim != 1:
            raise DetectorError("samples: pass one channel, an array of one dimension")
        mask = loud_frames(samples) if speech_mask is None else speech_mask
        if abs(len(mask) - len(samples) / FRAME) > 1.0:
            raise DetectorError("speech_mask: pass one entry per 10 ms of samples")
        spoken = speech_seconds(mask, 0, len(samples))
        if len(samples) < _SHORTEST or not np.any(samples):
            return SyntheticVerdict("insufficient", 0.0, self.card.calibration.prior, spoken)
        spans = window_spans(len(samples))
        usable = [span for span in spans if speech_seconds(mask, *span) >= MINIMUM_SPEECH_SECONDS]
        logits = self._logits(samples, usable or spans)
        calibration = self.card.calibration
        llr = calibration.llr(float(np.mean(logits)))
        windows = tuple(
            Window(start * 1000 // SAMPLE_RATE, end * 1000 // SAMPLE_RATE, calibration.llr(float(logit)))
            for (start, end), logit in zip(usable, logits, strict=False)
        )
        verdict = calibration.verdict(llr) if usable else "insufficient"
        return SyntheticVerdict(verdict, llr, calibration.probability(llr), spoken, windows)

    def _logits(self, samples: Samples, spans: list[tuple[int, int]]) -> Samples:
        """Return the graph's logit of each span; all spans have one length, so they are one batch."""
        batch = np.stack([samples[start:end] for start, end in spans]).astype(np.float32)
        (logits,) = self._session.run(None, {"samples": batch})
        return np.asarray(logits, np.float32).reshape(-1)
