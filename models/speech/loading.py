"""The recogniser that the settings name."""

from __future__ import annotations

from pathlib import Path

from models import weights
from models.speech import sherpa
from models.speech.types import Recogniser
from models.speech.whisper import WhisperRecogniser


def load_recogniser(
    name: str = "whisper-base",
    *,
    cache: Path | str | None = None,
    device: str = "cpu",
    threads: int = 2,
    replicas: int = 1,
    allow_hub: bool = False,
) -> Recogniser:
    """Find, verify and load a recogniser; ``name`` is one of the known weights or a directory of CTranslate2
    weights, or of a SenseVoice or Paraformer model as sherpa-onnx packs it.

    On CPU ``threads`` are shared out to ``replicas``, which work on different batches at the same time: decoding
    hardly gains from a second thread, a second batch does.

    Raises:
        weights.WeightsError: when they are not to be had, or not what they must be.
    """
    directory = Path(name).expanduser()
    if sherpa.packed(directory):
        return sherpa.from_directory(directory, device=device, threads=threads)
    found = weights.find(name, path=directory if directory.is_dir() else None, cache=cache, allow_hub=allow_hub)
    return WhisperRecogniser(found, device=device, intra_threads=max(1, threads // replicas), inter_threads=replicas)
