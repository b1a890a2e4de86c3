"""Brings another detector along: any ONNX graph from a raw 16 kHz waveform to logits, described by a YAML file.

The description has these fields::

    name: xlsr-sls             # in findings
    path: model.onnx           # beside the description, or absolute
    window_s: 4.0              # what the graph wants to hear at once
    hop_s: 2.0                 # by default half a window
    polarity: 1                # which of two logits speaks for synthetic, 0 or 1; with a single one 1, or -1 to turn it
    weight: 1.0                # in the fusion; the shipped detector has 1
    calibration: {slope: 1.0, offset: 0.0, synthetic_from: 2.5, human_to: -1.8}

Graphs may take [batch, samples] or [batch, 1, samples], of free or fixed length, and give [batch], [batch, 1] or
[batch, 2]; the difference of two logits counts. Their providers are those that ONNX Runtime offers, CUDA first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.synthetic.detector import MINIMUM_SPEECH_SECONDS, DetectorError
from models.synthetic.verdict import Calibration, SyntheticVerdict, Window
from models.synthetic.windows import SAMPLE_RATE, Samples, loud_frames, speech_seconds_in

_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
_BATCH = 8  # windows at once; an XLS-R of 300 million parameters then fits any GPU of today


class _Calibration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    slope: float = Field(gt=0.0)
    offset: float
    synthetic_from: float
    human_to: float


class Description(BaseModel):
    """The YAML file, checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,47}$")
    path: Path
    window_s: float = Field(ge=0.5, le=30.0)
    hop_s: float | None = Field(default=None, gt=0.0)
    polarity: Literal[-1, 0, 1] = 1
    weight: float = Field(default=1.0, gt=0.0, le=100.0)
    calibration: _Calibration

    @classmethod
    def read(cls, file: Path) -> Description:
        """Read a description. Raises DetectorError that names file, field and remedy."""
        try:
            return cls.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise DetectorError(f"{file.name}: no such detector description; correct the setting") from None
        except (yaml.YAMLError, UnicodeDecodeError):
            raise DetectorError(f"{file.name}: is no YAML; correct the indentation or quoting") from None
        except ValidationError as problem:
            first = problem.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            raise DetectorError(f"{file.name}: {field}: {first['msg']}; see docs/models.md") from None


class ExternalDetector:
    """One such graph; gives verdicts like the shipped detector's. Raises DetectorError if it cannot be used."""

    def __init__(self, file: Path, threads: int = 1) -> None:
        import onnxruntime

        self._description = described = Description.read(file)
        graph = file.parent / described.path
        if not graph.is_file():
            raise DetectorError(f"{file.name}: path: no file {described.path.name} there; correct it")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        available = onnxruntime.get_available_providers()
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(graph), options, providers=[name for name in _PROVIDERS if name in available]
            )
        except Exception as problem:  # ONNX Runtime has an exception class for each way to fail
            raise DetectorError(
                f"{file.name}: path: ONNX Runtime cannot load the graph ({type(problem).__name__})"
            ) from None
        self._input = self._session.get_inputs()[0]
        self.name, self.weight = described.name, described.weight
        self.calibration = Calibration(**described.calibration.model_dump())
        self.versions: Mapping[str, str] = MappingProxyType(
            {described.name: hashlib.sha256(graph.read_bytes()).hexdigest()}
        )
        self._logits(np.zeros((1, self._length(int(described.window_s * SAMPLE_RATE))), np.float32))

    def score(self, samples: Samples, *, speech_seconds: float | None = None) -> SyntheticVerdict:
        """Return the mean over windows. Raises DetectorError if the graph's output has none of the shapes above."""
        spoken = speech_seconds_in(loud_frames(samples), 0, len(samples)) if speech_seconds is None else speech_seconds
        if not np.any(samples):
            return SyntheticVerdict("insufficient", 0.0, self.calibration.prior, spoken)
        size = int(self._description.window_s * SAMPLE_RATE)
        hop = int((self._description.hop_s or self._description.window_s / 2.0) * SAMPLE_RATE)
        starts = [*range(0, max(1, len(samples) - size), hop), max(0, len(samples) - size)]
        starts = sorted(set(starts))
        batch = np.stack([_filled(samples[start : start + size], self._length(size)) for start in starts])
        logits = np.concatenate([self._logits(batch[at : at + _BATCH]) for at in range(0, len(batch), _BATCH)])
        windows = tuple(
            Window(start * 1000 // SAMPLE_RATE, min(start + size, len(samples)) * 1000 // SAMPLE_RATE, llr)
            for start, llr in zip(starts, (self.calibration.llr(float(logit)) for logit in logits), strict=True)
        )
        llr = float(np.mean([window.llr for window in windows]))
        enough = spoken >= MINIMUM_SPEECH_SECONDS
        verdict = self.calibration.verdict(llr) if enough else "insufficient"
        return SyntheticVerdict(verdict, llr, self.calibration.probability(llr), spoken, windows if enough else ())

    def _length(self, size: int) -> int:
        """Samples the graph takes: its own fixed length, or the window's."""
        last = self._input.shape[-1]
        return last if isinstance(last, int) and last > 0 else size

    def _logits(self, batch: Samples) -> Samples:
        feed = batch[:, None] if len(self._input.shape) == 3 else batch
        found = np.asarray(self._session.run(None, {self._input.name: feed})[0], np.float32)
        values = found.reshape(len(batch), -1)
        if values.shape[1] == 1 and self._description.polarity != 0:
            return np.asarray(values[:, 0] * self._description.polarity, np.float32)
        if values.shape[1] == 2 and self._description.polarity != -1:
            own = self._description.polarity
            return np.asarray(values[:, own] - values[:, 1 - own], np.float32)
        raise DetectorError(
            f"{self.name}: polarity {self._description.polarity} does not fit {values.shape[1]} logits a window; "
            "give 1 or -1 for one logit, 0 or 1 for two"
        )


def _filled(samples: Samples, length: int) -> Samples:
    """The samples cut to a length, or repeated up to it: published detectors were trained on repetition."""
    return np.asarray(np.resize(samples, length) if len(samples) < length else samples[:length], np.float32)
