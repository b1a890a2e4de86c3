"""Runs the statistics graph over the clips, clean and as rooms would deliver them, and keeps the results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.audio_files import SAMPLE_RATE, Samples, read_audio
from models.training.augment import opus, room
from models.training.manifest import Clip

Features = NDArray[np.float32]
Extractor = Callable[[Samples], Features]

CONDITIONS = ("clean", "opus24", "room")
LONGEST = int(3.6 * SAMPLE_RATE)  # the clips' length; one window at run time is 4 s


def extract(clips: list[Clip], root: Path, condition: str, extractor: Extractor, cache: Path) -> Features:
    """Return [clips, d] statistics under a condition; from `cache` if an earlier run left them there.

    Every clip is disturbed by a generator seeded with its index, so runs agree. Raises ValueError for an
    unknown condition and OSError if a clip cannot be read.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition: {condition} is unknown; take one of {', '.join(CONDITIONS)}")
    stored = cache / f"{condition}.npy"
    if stored.exists():
        return np.asarray(np.load(stored), np.float32)
    humans = [index for index, clip in enumerate(clips) if not clip.synthetic]
    rows: list[Features] = []
    for index, clip in enumerate(clips):
        samples = read_audio(root / clip.path)[:LONGEST]
        if condition == "opus24":
            samples = opus(samples, 24_000)
        elif condition == "room":
            rng = np.random.default_rng([index, 1])
            other = clips[humans[rng.integers(len(humans))]]
            samples = room(samples, rng, read_audio(root / other.path)[:LONGEST])
        rows.append(extractor(samples))
        if index % 500 == 0:
            print(f"{condition}: {index} of {len(clips)} clips", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(stored, np.stack(rows).astype(np.float16))
    return np.asarray(np.load(stored), np.float32)
