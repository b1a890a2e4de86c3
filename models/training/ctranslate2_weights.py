"""Reads the arrays of a CTranslate2 `model.bin` (binary version 6) without the CTranslate2 runtime.

The runtime offers the encoder's output only; the detector needs the weights of its lowest layers to
build a graph of its own. Layout (little endian): u32 version, string spec name, u32 revision,
u32 number of variables; each variable is string name, u8 rank, u32 shape[rank], u8 type, u32 bytes, data.
A string is u16 length (with the closing zero) and the characters.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# CTranslate2's DataType enumeration.
_DTYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


class WeightFormatError(ValueError):
    """The file is not a CTranslate2 model of a version this reader knows."""


def read_weights(path: Path, prefix: str = "") -> dict[str, Array]:
    """Return the float arrays whose name starts with `prefix`, as float32; int8 ones are multiplied out.

    CTranslate2 stores an int8 matrix with one scale per output row (`<name>_scale`): w = q / scale.
    Raises WeightFormatError on any other version or element type, OSError if the file cannot be read.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    data = memoryview(path.read_bytes())
    offset = 0

    def take(fmt: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from("<" + fmt, data, offset)
        offset += struct.calcsize("<" + fmt)
        return int(value)

    def text() -> str:
        nonlocal offset
        length = take("H")
        raw = bytes(data[offset : offset + length - 1])
        offset += length
        return raw.decode()

    if (version := take("I")) != 6:
        raise WeightFormatError(
            f"binary version {version} of {path.name} is unknown; convert the model with CTranslate2 4"
        )
    text()
    take("I")
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind, size = take("B"), take("I")
        if kind not in _DTYPES:
            raise WeightFormatError(f"{name}: element type {kind} is unknown; use float32, float16 or int8")
        if name.startswith(prefix):
            dtype = np.dtype(_DTYPES[kind])
            arrays[name] = np.frombuffer(data, dtype, size // dtype.itemsize, offset).reshape(shape)
        offset += size
    return {name: _to_float(name, arrays) for name in arrays if not name.endswith("_scale")}


def _to_float(name: str, arrays: dict[str, NDArray[np.generic]]) -> Array:
    array = arrays[name].astype(np.float32)
    scale = arrays.get(f"{name}_scale")
    if arrays[name].dtype == np.int8 and scale is not None:
        return np.asarray(array / scale.astype(np.float32).reshape(-1, *[1] * (array.ndim - 1)), np.float32)
    return array
