"""Chunks of one track to 16 kHz mono, with an exact count of the samples each chunk stands for."""

from __future__ import annotations

import numpy as np

from models.audio.codecs import RATE, Codec, Samples, open_codec
from models.audio.content_type import parse_content_type
from models.audio.errors import AudioError

MOST_SECONDS = 60.0  # of audio in one chunk; thirty times the longest chunk in use
_NOTHING: Samples = np.zeros(0, np.int16)


class Decoder:
    """Decodes and resamples the consecutive chunks of one track.

    `due` is the number of 16 kHz samples that the chunks fed so far stand for: a sum of one whole number per chunk
    that depends on nothing but that chunk. The samples handed out lag behind it while the resampler holds some
    back; `flush` ends the stream and makes both equal. A chunk that does not come to a whole number of samples
    (1024 samples at 44.1 kHz) is rounded, so the labels may drift against the audio by half a sample a chunk.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._resampler: _Resampler | None = None
        self._rate = RATE
        self.due = 0
        self._out = 0

    def feed(self, payload: bytes) -> Samples:
        """16 kHz samples that are ready now, perhaps none. Raises AudioError and then accounts for nothing."""
        if not payload:
            raise AudioError("empty", "send at least one sample or packet in each chunk")
        decoded = self._codec.decode(payload)
        tail = _NOTHING
        if decoded.rate != self._rate:
            tail = self._drain()
            self._rate = decoded.rate
            self._resampler = _resampler(decoded.rate)
        samples = decoded.pcm if self._resampler is None else self._resampler.resample_chunk(decoded.pcm)
        if len(tail):
            samples = np.concatenate([tail, samples])
        self.due += decoded.span
        self._out += len(samples)
        return samples

    def flush(self) -> Samples:
        """What is still missing up to `due`, exactly; the decoder is finished after that."""
        missing = self.due - self._out
        rest = self._drain()[: max(missing, 0)]
        self._out = self.due
        if len(rest) < missing:
            rest = np.concatenate([rest, np.zeros(missing - len(rest), np.int16)])
        return rest

    def _drain(self) -> Samples:
        """The samples that the resampler holds back."""
        if self._resampler is None:
            return _NOTHING
        return self._resampler.resample_chunk(_NOTHING, last=True)


class _Resampler:
    """A streaming resampler to 16 kHz; soxr's medium quality is transparent for 16-bit speech and holds back 19 ms.

    soxr dithers 16-bit results by a generator that it seeds with the time: a replay would not give the same samples.
    So it is fed floats, and the rounding is ours.
    """

    def __init__(self, rate: int) -> None:
        import soxr

        self._stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")

    def resample_chunk(self, samples: Samples, *, last: bool = False) -> Samples:
        """The next samples; with ``last`` also those that were held back."""
        made = self._stream.resample_chunk(samples.astype(np.float32), last=last)
        rounded: Samples = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        return rounded


def _resampler(rate: int) -> _Resampler | None:
    return None if rate == RATE else _Resampler(rate)


def open_decoder(content_type: str, *, most_seconds: float = MOST_SECONDS) -> Decoder:
    """A fresh decoder for one track.

    | content type | a chunk is |
    |---|---|
    | audio/pcm;rate=48000;channels=2 | s16le, cut at any whole sample (default 16000 Hz, one channel) |
    | audio/L16;rate=…;channels=… | the same in network byte order |
    | audio/opus | one raw Opus packet, or with ;framing=length16 several, each after its 2-byte big-endian length |
    | audio/ogg | a run of whole pages of Ogg/Opus, with or without the header pages |
    | audio/mpeg | a run of whole frames, layer II or III |
    | audio/aac | a run of whole ADTS frames |
    | audio/flac, audio/wav | one whole file |

    Raises AudioError("unknown-codec").
    """
    return Decoder(open_codec(parse_content_type(content_type), most_seconds))
