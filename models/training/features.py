"""Runs the statistics graph over the clips, clean and as rooms would deliver them, and keeps the results."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.audio_files import SAMPLE_RATE, Samples, read_audio
from models.training.augment import LOSSES, RATES, opus, room
from models.training.manifest import Clip

Features = NDArray[np.float32]
Extractor = Callable[[Samples], Features]

CONDITIONS = ("clean", "opus24", "opus", "room")
"""As recorded; Opus at 24 kbit/s; Opus at 16 to 64 kbit/s with up to 3 % of packets lost; what `augment.room` draws."""
LONGEST = int(3.6 * SAMPLE_RATE)  # the clips' length; one window at run time is 4 s


def extract(clips: list[Clip], root: Path, condition: str, extractor: Extractor, cache: Path) -> Features:
    """Return [clips, d] statistics under a condition; from `cache` if an earlier run left them there.

    Samples have 16 bits, as the wire delivers them. Raises ValueError for an unknown condition and OSError if a
    clip cannot be read.
    """
    if condition not in CONDITIONS:
        raise ValueError(f"condition: {condition} is unknown; take one of {', '.join(CONDITIONS)}")
    stored = cache / f"{condition}.npy"
    if stored.exists():
        return np.asarray(np.load(stored), np.float32)
    rows: list[Features] = []
    for index in range(len(clips)):
        samples = disturbed(clips, index, root, condition)
        words = np.clip(np.round(samples * 32768.0), -32768, 32767)
        rows.append(extractor((words / 32768.0).astype(np.float32)))
        if index % 500 == 0:
            print(f"{condition}: {index} of {len(clips)} clips", flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    np.save(stored, np.stack(rows).astype(np.float16))
    return np.asarray(np.load(stored), np.float32)


def disturbed(clips: list[Clip], index: int, root: Path, condition: str) -> Samples:
    """Return a clip's samples under a condition, drawn from a generator seeded with its index.

    In rooms others talk in the background: some other person of the set. Raises OSError if it cannot be read.
    """
    samples = read_audio(root / clips[index].path)[:LONGEST]
    if condition == "opus24":
        return opus(samples, 24_000)
    if condition == "opus":
        rng = np.random.default_rng([index, 2])
        return opus(samples, int(rng.choice(RATES)) * 1000, float(rng.choice(LOSSES)), rng)
    if condition == "room":
        rng = np.random.default_rng([index, 1])
        humans = [other for other in clips if not other.synthetic]
        babble = read_audio(root / humans[rng.integers(len(humans))].path)[:LONGEST]
        return room(samples, rng, babble)
    return samples
