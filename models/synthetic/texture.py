"""Sums encoder frames up over time: forgets the words and keeps the texture."""

import numpy as np

from models.synthetic.windows import Samples


def statistics(frames: Samples) -> Samples:
    """Return [3 width] of frames [t, width]: mean, standard deviation, and deviation of frame-to-frame differences."""
    mean = frames.mean(axis=0)
    change = frames[1:] - frames[:-1]
    drift = (frames[-1] - frames[0]) / max(len(change), 1)
    return np.concatenate([mean, _spread(frames - mean), _spread(change - drift)])


def _spread(centred: Samples) -> Samples:
    """Root mean square over time; one pass, for this is a tenth of the detector's time."""
    return np.asarray(np.sqrt(np.einsum("tw,tw->w", centred, centred) / max(len(centred), 1)), np.float32)
