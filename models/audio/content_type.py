"""Content types of audio chunks: which codec, at what rate, with how many channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.audio.errors import AudioError

CodecName = Literal["pcm", "pcm-big-endian", "opus", "ogg", "mpeg", "aac", "file"]

# Several spellings are in use for one format; parameters such as ";codecs=opus" are allowed and ignored.
_CODECS: dict[str, CodecName] = {
    "audio/pcm": "pcm",
    "audio/x-pcm": "pcm",
    "audio/l16": "pcm-big-endian",  # RFC 2586: network byte order
    "audio/opus": "opus",
    "audio/ogg": "ogg",
    "audio/mpeg": "mpeg",
    "audio/mp3": "mpeg",
    "audio/aac": "aac",
    "audio/aacp": "aac",
    "audio/flac": "file",
    "audio/x-flac": "file",
    "audio/wav": "file",
    "audio/x-wav": "file",
    "audio/wave": "file",
    "audio/vnd.wave": "file",
}
SLOWEST, FASTEST = 4_000, 192_000  # Hz: what senders of speech use, with room on both sides
MOST_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A parsed content type; `rate` (Hz) and `channels` matter to headerless PCM only."""

    codec: CodecName
    rate: int = 16_000
    channels: int = 1
    framing: Literal["single", "length16"] = "single"


def parse_content_type(content_type: str) -> AudioFormat:
    """`audio/pcm;rate=48000;channels=2` to its parts; case and blanks do not matter.

    Raises AudioError("unknown-codec") that names the parameter and the remedy.
    """
    name, *rest = (part.strip() for part in content_type.split(";"))
    codec = _CODECS.get(name.lower())
    if codec is None:
        spoken = ", ".join(sorted(_CODECS))
        raise AudioError("unknown-codec", f"set content-type to one of {spoken}")
    parameters = {}
    for part in rest:
        key, _, value = part.partition("=")
        parameters[key.strip().lower()] = value.strip().strip('"').lower()
    framing = parameters.get("framing", "single")
    if framing not in ("single", "length16"):
        raise AudioError("unknown-codec", "set framing to length16, or leave it out for one packet per chunk")
    if codec == "pcm" and parameters.get("format", "s16le") != "s16le":
        raise AudioError("unknown-codec", "send audio/pcm as signed 16-bit little-endian samples (s16le)")
    return AudioFormat(
        codec,
        rate=_whole(parameters, "rate", 16_000, SLOWEST, FASTEST),
        channels=_whole(parameters, "channels", 1, 1, MOST_CHANNELS),
        framing="length16" if framing == "length16" else "single",
    )


def _whole(parameters: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole-number parameter within its bounds."""
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and low <= int(text) <= high):
        raise AudioError("unknown-codec", f"set {name} to a whole number from {low} to {high}")
    return int(text)
