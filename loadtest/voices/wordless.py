"""The songs, the scream and the blast of the scenario ``platform``: `python -m loadtest.voices.wordless`."""

from __future__ import annotations

import numpy as np
import soxr

from loadtest.clips import RATE as CLIP_RATE
from loadtest.nonspeech import rooms, voice
from loadtest.schema import SCENARIOS
from loadtest.voices.engines import RATE
from loadtest.voices.opus_file import write

PEAK = 0.5
SOUNDS = {
    "song": (voice.singing, 12.0, 1),
    "song-2": (voice.singing, 12.0, 2),
    "scream": (voice.scream, 1.6, 3),
    "blast": (rooms.blast, 2.0, 4),
}
"""File name to maker, seconds and seed."""


def main() -> None:
    """Write the four files."""
    for name, (make, seconds, seed) in SOUNDS.items():
        wave = np.asarray(make(seconds, np.random.default_rng(seed)), np.float64)
        loud = (wave / np.abs(wave).max() * PEAK).astype(np.float32)
        write(SCENARIOS / "audio" / "platform" / f"{name}.opus", soxr.resample(loud, CLIP_RATE, RATE))


if __name__ == "__main__":
    main()
