"""Kokoro-82M (Apache-2.0) on ONNX Runtime: Mandarin, English, and both in one sentence.

Text becomes phonemes through ``misaki`` (Mandarin through jieba and pypinyin, English through eSpeak NG), phonemes
become token ids through the model's published vocabulary, and a row of the voice pack, chosen by the number of
tokens, sets the voice's style.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtest.voices import assets

RATE = 24_000
_LONGEST = 509
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9' .,\-]*[A-Za-z0-9.]|[A-Za-z]")


class Kokoro:
    """The model, loaded once; ``threads`` limits ONNX Runtime."""

    rate = RATE

    def __init__(self, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            assets.kokoro_weights(), options, providers=["CPUExecutionProvider"]
        )
        config = assets.package_folder("kokoro_onnx") / "config.json"
        self._vocabulary: dict[str, int] = json.loads(config.read_text(encoding="utf-8"))["vocab"]

    def say(self, text: str, voice: str, speed: float = 1.0) -> NDArray[np.float32]:
        """Speech for ``text``, float32 [samples] at 24 kHz.

        Raises:
            ValueError: when the text is longer than the model's 509 tokens, or has nothing to say.
            MissingAssetError: when the voice is not on this machine.
        """
        phonemes = self.phonemes(text, british=voice.startswith("b"))
        tokens = [self._vocabulary[symbol] for symbol in phonemes if symbol in self._vocabulary]
        if not 0 < len(tokens) <= _LONGEST:
            raise ValueError(f"a line must come to 1 to {_LONGEST} phonemes; split or fill it")
        pack = np.fromfile(assets.kokoro_voice(voice), np.float32).reshape(-1, 256)
        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": pack[len(tokens)][None],
            "speed": np.array([speed], np.float32),
        }
        speech: NDArray[np.float32] = self._session.run(None, feed)[0]
        return speech.reshape(-1)

    def phonemes(self, text: str, *, british: bool = False) -> str:
        """Phonemes of a text in either language: Latin stretches are read as English, the rest as Mandarin."""
        english = self._british if british else self._american
        if not re.search(r"[\u4e00-\u9fff]", text):
            return str(english(SimpleNamespace(text=text))[0])
        spoken, end = [], 0
        for latin in _LATIN.finditer(text):
            spoken.append(self._chinese(text[end : latin.start()]))
            spoken.append(str(english(SimpleNamespace(text=latin.group()))[0]))
            end = latin.end()
        spoken.append(self._chinese(text[end:]))
        return " ".join(part for part in spoken if part)

    def _chinese(self, text: str) -> str:
        return str(self._mandarin(text)[0]) if text.strip() else ""

    @cached_property
    def _mandarin(self) -> Any:
        return assets.optional("misaki.zh").ZHG2P()

    @cached_property
    def _american(self) -> Any:
        return assets.optional("misaki.espeak").EspeakFallback(british=False)

    @cached_property
    def _british(self) -> Any:
        return assets.optional("misaki.espeak").EspeakFallback(british=True)
