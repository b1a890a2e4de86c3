"""Speech as a small file: mono Opus in Ogg."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from loadtest.voices.engines import RATE, Speech


def write(path: Path, speech: Speech, *, bitrate: int = 24_000) -> None:
    """Write float32 speech at 24 kHz as Ogg Opus; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.clip(np.rint(speech * 32767), -32768, 32767).astype(np.int16)
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, options={"application": "voip"})
        stream.codec_context.layout = "mono"
        stream.codec_context.bit_rate = bitrate
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (piece := fifo.read(RATE // 50, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
