"""Is this voice synthetic? A calibrated verdict per utterance, and evidence per speaker."""

from models.synthetic.detector import DetectorError, SyntheticDetector
from models.synthetic.evidence import Decision, SequentialTest, SpeakerEvidence
from models.synthetic.verdict import Calibration, SyntheticVerdict, Verdict, Window

__all__ = [
    "Calibration",
    "Decision",
    "DetectorError",
    "SequentialTest",
    "SpeakerEvidence",
    "SyntheticDetector",
    "SyntheticVerdict",
    "Verdict",
    "Window",
]
