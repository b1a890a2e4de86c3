"""Speech recognition: see `types` for the interface, `whisper` for the recogniser in use."""

from models.speech.batching import Batch, BatchLimits, Pending, plan, readiness
from models.speech.text import simplify
from models.speech.types import Alternative, Recogniser, Rescorer, SpeechJob, SpeechResult, Word

__all__ = [
    "Alternative",
    "Batch",
    "BatchLimits",
    "Pending",
    "Recogniser",
    "Rescorer",
    "SpeechJob",
    "SpeechResult",
    "Word",
    "plan",
    "readiness",
    "simplify",
]
