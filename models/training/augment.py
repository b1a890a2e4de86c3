"""What a live room does to a voice before anyone hears it, as functions of 16 kHz mono float32 samples.

Every function takes and returns an array of the same length; those that draw take the generator as an
argument, so a seed fixes the whole training set.
"""

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from models.training.audio_files import SAMPLE_RATE

Samples = NDArray[np.float32]

RATES = (16, 20, 24, 32, 48, 64)
"""What rooms send Opus at, kbit/s."""
LOSSES = (0.0, 0.0, 0.01, 0.03)
"""Shares of packets that get lost."""

_OPUS_FRAME = SAMPLE_RATE // 50  # 20 ms, what voice rooms send
_OPUS_RATE = 48_000  # Opus decoders always answer at 48 kHz
_OPUS_PRE_SKIP = 312  # samples at 48 kHz, libopus' look-ahead of 6.5 ms


def opus(samples: Samples, bit_rate: int, loss: float = 0.0, rng: np.random.Generator | None = None) -> Samples:
    """Encode and decode with Opus at `bit_rate` (bit/s, 20 ms frames); a share `loss` of packets never arrives.

    A lost packet is heard as silence of 20 ms, the worst a receiver without concealment does.
    Raises ValueError if packets are to be lost and there is no generator to draw them.
    """
    if loss and rng is None:
        raise ValueError("loss: pass rng, which draws the packets that are lost")
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = SAMPLE_RATE
    encoder.layout = "mono"
    encoder.format = "flt"
    encoder.bit_rate = bit_rate
    encoder.options = {"application": "voip", "frame_duration": "20"}
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate = _OPUS_RATE
    decoder.layout = "mono"
    padded = np.pad(samples, (0, -len(samples) % _OPUS_FRAME + 2 * _OPUS_FRAME)).astype(np.float32)
    packets = []
    for start in range(0, len(padded), _OPUS_FRAME):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + _OPUS_FRAME], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded: list[Samples] = []
    for packet in packets:
        if loss and rng is not None and rng.random() < loss:
            decoded.append(np.zeros(_OPUS_RATE // 50, np.float32))
            continue
        decoded += [_mono(frame) for frame in decoder.decode(packet)]
    heard = np.concatenate(decoded)[_OPUS_PRE_SKIP:]
    return _fit(soxr.resample(heard, _OPUS_RATE, SAMPLE_RATE), len(samples))


def _mono(frame: av.AudioFrame) -> Samples:
    array = frame.to_ndarray().reshape(-1)
    return np.asarray(array / 32768.0 if array.dtype == np.int16 else array, np.float32)


def band_limit(samples: Samples, rate: int) -> Samples:
    """Resample to `rate` Hz and back, as a telephone (8000) or a cheap microphone does."""
    return _fit(soxr.resample(soxr.resample(samples, SAMPLE_RATE, rate), rate, SAMPLE_RATE), len(samples))


def add_noise(samples: Samples, snr_db: float, colour: float, rng: np.random.Generator) -> Samples:
    """Add Gaussian noise whose power falls with frequency as 1/f^colour (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** (colour / 2)
    return mix(samples, np.fft.irfft(spectrum, len(samples)).astype(np.float32), snr_db)


def mix(samples: Samples, other: Samples, snr_db: float) -> Samples:
    """Add `other` (repeated or cut to length) `snr_db` below the mean power of `samples`."""
    noise = np.resize(other, len(samples))
    power = float(np.mean(samples**2)) / max(float(np.mean(noise**2)), 1e-12)
    return np.asarray(samples + noise * np.sqrt(power * 10 ** (-snr_db / 10)), np.float32)


def reverberate(samples: Samples, t60: float, wet: float, rng: np.random.Generator) -> Samples:
    """Convolve with exponentially decaying noise, 60 dB in `t60` s; `wet` is reverberant over direct amplitude."""
    length = int(t60 * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    tail = rng.standard_normal(length) * np.exp(-6.9 * time / t60)
    tail[: int(0.003 * SAMPLE_RATE)] = 0.0  # first reflections come from a metre away
    response = wet * tail / np.sqrt(np.sum(tail**2))
    response[0] = 1.0
    size = len(samples) + length
    wave = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return np.asarray(wave[: len(samples)], np.float32)


def equalise(samples: Samples, depth_db: float, rng: np.random.Generator) -> Samples:
    """Shape the spectrum by a random smooth curve (eight knots, normal with `depth_db` deviation), zero phase."""
    spectrum = np.fft.rfft(samples)
    knots = rng.normal(0.0, depth_db, 8)
    gain = np.interp(np.linspace(0, 7, len(spectrum)), np.arange(8), knots)
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain / 20), len(samples)), np.float32)


def compress(samples: Samples, drive: float) -> Samples:
    """Saturate softly, as automatic gain and limiters do; `drive` is the gain at the input, 1 to 6."""
    peak = max(float(np.max(np.abs(samples))), 1e-6)
    return np.asarray(np.tanh(samples / peak * drive) / np.tanh(drive) * peak, np.float32)


def room(samples: Samples, rng: np.random.Generator, babble: Samples | None = None) -> Samples:
    """Draw one to three of these effects, at strengths seen in live rooms, in the order sound meets them."""
    out = samples
    chosen = rng.random(7) < (0.25, 0.4, 0.25, 0.35, 0.2, 0.25, 0.45)
    if chosen[0]:
        out = reverberate(out, rng.uniform(0.1, 0.6), rng.uniform(0.1, 0.7), rng)
    if chosen[1]:
        out = equalise(out, rng.uniform(1.0, 6.0), rng)
    if chosen[2] and babble is not None:
        out = mix(out, babble, rng.uniform(8, 25))
    if chosen[3]:
        out = add_noise(out, rng.uniform(10, 40), rng.uniform(0, 2), rng)
    if chosen[4]:
        out = compress(out, rng.uniform(1, 5))
    if chosen[5]:
        out = band_limit(out, int(rng.choice([8000, 9000, 11025, 12000, 14000])))
    if chosen[6]:
        out = opus(out, int(rng.choice(RATES)) * 1000, float(rng.choice(LOSSES)), rng)
    return out


def _fit(samples: Samples, length: int) -> Samples:
    """Cut or pad with zeros to `length`."""
    return np.asarray(np.pad(samples[:length], (0, max(0, length - len(samples)))), np.float32)
