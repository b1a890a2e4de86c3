"""Audio as it arrives: any common codec, rate and channel count to 16 kHz mono int16."""

from models.audio.codecs import RATE, Samples
from models.audio.decoding import MOST_SECONDS, Decoder, open_decoder
from models.audio.errors import AudioError, AudioFault

__all__ = ["MOST_SECONDS", "RATE", "AudioError", "AudioFault", "Decoder", "Samples", "open_decoder"]
