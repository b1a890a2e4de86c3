"""What a voice says of itself: labels in containers, the audible mark, and the grades they give."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from loadtest import clips, cutting
from models.segments import Utterance
from models.synthetic import rhythm
from models.synthetic.declared import of_bytes, of_file, of_label, of_metadata, strongest
from models.training.augment import opus

RATE = 16_000


def label(value: str) -> str:
    fields = ("ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2")
    return json.dumps({"Label": value, **dict.fromkeys(fields, "x-1")})


@pytest.mark.parametrize(
    ("value", "grade"),
    [
        (label("1"), "confirmed"),
        (label("2"), "possible"),
        (label("3"), "suspected"),
        ('{"Label": 1}', "confirmed"),
        ('{"Label": "9"}', "suspected"),
        ("{}", "suspected"),
        ("yes", "suspected"),
        ("[1]", "suspected"),
    ],
)
def test_labels_and_their_grades(value, grade):
    assert of_label(value) == grade
    assert of_metadata({"title": "x", "aigc": value}) == grade


def test_without_a_label_nothing_is_stated():
    assert of_metadata({"title": "AIGC"}) == of_bytes(b"OggS AIGC without braces") == ""
    assert strongest([]) == ""
    assert strongest(["possible", "", "confirmed", "suspected"]) == "confirmed"


def write(path: Path, codec: str, metadata: dict[str, str], options: dict[str, str]) -> None:
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=48_000, frame_size=960)
        for part in [*resampler.resample(frame), None]:
            container.mux(stream.encode(part))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.ogg", "libopus", {}),
        ("a.flac", "flac", {}),
        ("a.mp3", "libmp3lame", {}),
        ("a.m4a", "aac", {"movflags": "use_metadata_tags"}),
    ],
)
def test_labels_in_containers(tmp_path, name, codec, options):
    file = tmp_path / name
    write(file, codec, {"AIGC": label("1")}, options)
    assert of_file(file) == of_bytes(file.read_bytes()) == "confirmed"
    write(file, codec, {"title": "x"}, options)
    assert of_file(file) == of_bytes(file.read_bytes()) == ""


def mark(unit_ms: float, hz: float, letter: float = 3.0, rhythm_units: tuple[float, ...] = (1, 3, 1, 1)) -> np.ndarray:
    """Short-long short-short, 5 ms rise and fall, half a second of silence around it."""
    parts = [np.zeros(RATE // 2)]
    for index, units in enumerate(rhythm_units):
        time = np.arange(int(units * unit_ms * RATE / 1000)) / RATE
        edge = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.005)
        parts += [0.2 * edge * np.sin(2 * np.pi * hz * time)]
        parts += [np.zeros(int((letter if index == 1 else 1.0) * unit_ms * RATE / 1000))]
    return np.concatenate([*parts, np.zeros(RATE // 2)]).astype(np.float32)


def as_int16(samples: np.ndarray) -> np.ndarray:
    return (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)


@pytest.mark.parametrize("unit_ms", [60, 100, 250])
@pytest.mark.parametrize("hz", [450, 880, 2500])
@pytest.mark.parametrize("letter", [1.0, 3.0])
def test_the_mark_is_heard_in_noise_and_through_opus(unit_ms, hz, letter):
    clean = mark(unit_ms, hz, letter)
    noise = np.random.default_rng(0).normal(0.0, 0.2 / 2**0.5 * 10 ** (-6 / 20), len(clean)).astype(np.float32)
    assert rhythm.heard(as_int16(clean))
    assert rhythm.heard(as_int16(clean + noise))
    assert rhythm.heard(as_int16(opus(clean + noise, 24_000)))


@pytest.mark.parametrize("units", [(1, 1, 1, 1), (3, 1, 1, 1), (1, 3, 3, 1), (1, 3, 1), (1, 1.5, 1, 1), (1, 8, 1, 1)])
def test_another_rhythm_is_not_the_mark(units):
    assert not rhythm.heard(as_int16(mark(100, 800, rhythm_units=units)))


def test_pulses_of_different_pitch_are_not_the_mark():
    low, high = mark(100, 600), mark(100, 900)
    assert not rhythm.heard(as_int16(np.where(np.arange(len(low)) < len(low) // 2, low, high)))


def test_neither_noise_nor_silence_nor_a_buzz_is_the_mark():
    rng = np.random.default_rng(1)
    assert not rhythm.heard(as_int16(rng.normal(0.0, 0.1, 5 * RATE)))
    assert not rhythm.heard(np.zeros(5 * RATE, np.int16))
    assert not rhythm.heard(np.zeros(100, np.int16))
    buzz = np.sign(np.sin(2 * np.pi * 120 * np.arange(3 * RATE) / RATE)) * (np.arange(3 * RATE) // 2000 % 2)
    assert not rhythm.heard(as_int16(0.1 * buzz))


@pytest.mark.parametrize("rhythm_units", [(1, 3, 1, 1), (3, 1, 1, 1)])
def test_the_mark_before_the_words_is_heard_in_the_stream(rhythm_units):
    voice = clips.read(Path(__file__).parents[2] / "loadtest" / "scenarios" / "audio" / "demo" / "lounge-mei-2.opus")
    samples = np.concatenate([as_int16(mark(100, 800, rhythm_units=rhythm_units)), voice, np.zeros(RATE, np.int16)])
    outputs = list(cutting.outputs(samples))
    assert any(isinstance(output, Utterance) and output.final for output in outputs)
    assert any(output.marked for output in outputs) is (rhythm_units == (1, 3, 1, 1))
