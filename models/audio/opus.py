"""Opus decoded at 16 kHz by libopus itself.

libav decodes Opus at 48 kHz only, whatever we need: two thirds of the samples are made to be thrown away by the
resampler, and each 20 ms packet becomes a packet, a frame and an array object on the way. libopus decodes at 16 kHz
natively (opus_decoder_create: 8, 12, 16, 24 or 48 kHz) into one buffer for the whole chunk. PyAV's wheels carry it;
where it is not found, `library` is None and the caller takes libav.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.audio.errors import AudioError
from models.audio.framing import OPUS_RATE, Packet

OUT_RATE = 16_000
_OK = 0


class Opus:
    """A mono decoder of one stream; stereo packets are mixed down. Not thread-safe; raises AudioError, then is done."""

    def __init__(self) -> None:
        loaded = library()
        if loaded is None:
            raise RuntimeError("libopus is not on this machine")
        self._library = loaded
        error = ctypes.c_int(_OK)
        self._decoder = loaded.opus_decoder_create(OUT_RATE, 1, ctypes.byref(error))
        if error.value != _OK or not self._decoder:
            raise MemoryError("libopus could not make a decoder")
        weakref.finalize(self, loaded.opus_decoder_destroy, self._decoder)

    def decode(self, packets: Sequence[Packet]) -> NDArray[np.int16]:
        """Samples of consecutive packets, as many as their headers say; silence for those without data."""
        lengths = [packet.samples * OUT_RATE // OPUS_RATE for packet in packets]
        out = np.zeros(sum(lengths), np.int16)
        address, at = out.ctypes.data, 0
        for packet, length in zip(packets, lengths, strict=True):
            if packet.data is not None:
                data = packet.data
                got = self._library.opus_decode(self._decoder, data, len(data), address + 2 * at, length, 0)
                if got != length:
                    raise AudioError("undecodable", "send packets that the codec accepts")
            at += length
        return out


@cache
def library() -> ctypes.CDLL | None:
    """libopus: the copy that PyAV brings, else the system's; None where there is neither."""
    for name in _candidates():
        try:
            loaded = ctypes.CDLL(name)
            loaded.opus_decoder_create.restype = ctypes.c_void_p
            loaded.opus_decoder_create.argtypes = [ctypes.c_int32, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
            loaded.opus_decode.restype = ctypes.c_int
            loaded.opus_decode.argtypes = [
                *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
            ]
            loaded.opus_decoder_destroy.restype = None
            loaded.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
        except (OSError, AttributeError):  # not loadable here, or not libopus
            continue
        return loaded
    return None


def _candidates() -> Iterator[str]:
    found = importlib.util.find_spec("av")
    if found is not None and found.submodule_search_locations:
        package = Path(found.submodule_search_locations[0])
        # auditwheel and delocate put shared libraries beside or into the package, with a hash in their names.
        for folder in (package.with_name("av.libs"), package / ".dylibs"):
            yield from sorted(str(path) for path in folder.glob("libopus*"))
    system = ctypes.util.find_library("opus")
    if system is not None:
        yield system
