"""Loading scenarios: what is filled in, and what is refused in which words."""

import wave
from pathlib import Path

import numpy as np
import pytest

from loadtest.scenario import Codec, ScenarioError, from_files, load

SCENARIO = """
name: tiny
duration_s: 10
rooms:
  - id: a
    kind: voice-chat
    speakers:
      - id: one
        clean: true
        utterances:
          - {at_s: 1.0, text: hello, audio: one.wav}
"""


def write_wav(path: Path, seconds: float = 1.0, rate: int = 16_000) -> None:
    time = np.arange(int(seconds * rate)) / rate
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((8000 * np.sin(2 * np.pi * 440 * time)).astype("<i2").tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wav(tmp_path / "one.wav")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_durations_come_from_the_audio(folder: Path) -> None:
    scenario = load(write(folder, SCENARIO))
    line = scenario.rooms[0].speakers[0].utterances[0]
    assert line.duration_ms == pytest.approx(1000, abs=1)
    assert Path(line.audio) == folder / "one.wav"
    assert scenario.clean_speakers() == {("a", "one")}
    assert scenario.dues() == []


def test_a_line_may_follow_the_one_before(folder: Path) -> None:
    text = SCENARIO + "          - {after_s: 0.25, text: again, audio: one.wav}\n"
    lines = load(write(folder, text)).rooms[0].speakers[0].utterances
    assert lines[1].at_s == pytest.approx(2.25, abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("duration_s: 10", "duration_s: 0"), "duration_s: Input should be greater than 0"),
        (("kind: voice-chat", "kind: voice-chat\n    colour: red"), "rooms[0].colour: Extra inputs are not permitted"),
        (("at_s: 1.0", "at_s: soon"), "rooms[0].speakers[0].utterances[0].at_s"),
        (("        clean: true\n", ""), "either `clean: true` or has an utterance with `due`"),
        (("audio: one.wav", "audio: one.wav, due: {category: ads}"), "set exactly one"),
        (("audio: one.wav", "audio: two.wav"), "utterances[0].audio: two.wav is missing; render it"),
        (("rooms:", "rooms: ["), "is no YAML; correct"),
        (("name: tiny", "name: Big Name"), "name: String should match pattern"),
    ],
)
def test_mistakes_name_file_field_and_remedy(folder: Path, change: tuple[str, str], words: str) -> None:
    assert change[0] in SCENARIO
    with pytest.raises(ScenarioError) as refused:
        load(write(folder, SCENARIO.replace(*change, 1)))
    assert "tiny.yaml" in str(refused.value)
    assert words in str(refused.value)


def test_a_speaker_cannot_talk_over_himself(folder: Path) -> None:
    text = SCENARIO + "          - {at_s: 1.5, text: again, audio: one.wav}\n"
    with pytest.raises(ScenarioError, match=r"at 1.5 s starts before the one at 1 s ends; set its at_s to 2.0"):
        load(write(folder, text))


def test_ids_are_unique(folder: Path) -> None:
    room = SCENARIO[SCENARIO.index("  - id: a") :]
    with pytest.raises(ScenarioError, match="room id 'a' is used twice"):
        load(write(folder, SCENARIO + room.lstrip("\n")))


def test_an_unknown_name_lists_the_bundled_ones() -> None:
    with pytest.raises(ScenarioError, match="demo, platform, smoke, ten_tracks"):
        load("nothing-of-the-kind")


def test_text_must_be_what_was_rendered(folder: Path) -> None:
    entry = '{"text": "goodbye", "duration_ms": 1000.0, "marks": []}'
    (folder / "manifest.json").write_text(f'{{"clips": {{"one.wav": {entry}}}}}', encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"differs from what one.wav says; render"):
        load(write(folder, SCENARIO))


def test_optional_rooms_need_their_recordings(folder: Path) -> None:
    second = SCENARIO[SCENARIO.index("  - id: a") :].replace("id: a", "id: b\n    optional: true")
    text = SCENARIO + second.replace("one.wav", "'recordings:cards/001.wav'")
    scenario = load(write(folder, text), recordings=[folder])
    assert [room.id for room in scenario.rooms] == ["a"]
    assert len(scenario.notes) == 1
    assert scenario.notes[0].startswith("room b left out: recording cards/001.wav is not on this machine; install")

    (folder / "cards").mkdir()
    write_wav(folder / "cards" / "001.wav")
    assert [room.id for room in load(write(folder, text), recordings=[folder]).rooms] == ["a", "b"]


def test_a_required_recording_is_an_error(folder: Path) -> None:
    text = SCENARIO.replace("one.wav", "'recordings:cards/001.wav'")
    with pytest.raises(ScenarioError, match=r"rooms\[0\]: recording cards/001.wav"):
        load(write(folder, text), recordings=[])


def test_copies_of_rooms_have_their_own_ids_and_times() -> None:
    smoke = load("smoke")
    scaled = smoke.scaled(5, stagger_ms=30)
    assert [room.id for room in scaled.rooms] == [
        "tea-room",
        "band-room",
        "tea-room-c2",
        "band-room-c2",
        "tea-room-c3",
    ]
    assert [room.offset_ms for room in scaled.rooms] == [0, 30, 60, 90, 120]
    assert len(scaled.dues()) == 5
    with pytest.raises(ScenarioError, match="1 or more"):
        smoke.scaled(0)


def test_plain_files_become_rooms(folder: Path) -> None:
    write_wav(folder / "two.wav", 2.0, rate=44_100)
    scenario = from_files([folder / "one.wav", folder / "two.wav"], rooms=3, tenant="acme", codec=Codec(name="pcm"))
    assert len(scenario.rooms) == 3
    assert scenario.tenant == "acme"
    assert scenario.duration_s == pytest.approx(4.0, abs=0.01)
    assert [line.at_s for line in scenario.rooms[0].speakers[0].utterances] == pytest.approx([0.0, 1.5], abs=0.01)


@pytest.mark.parametrize("content", [b"", b"this is no audio at all" * 50])
def test_files_without_audio_are_refused(folder: Path, content: bytes) -> None:
    (folder / "bad.mp3").write_bytes(content)
    with pytest.raises(ScenarioError, match=r"bad.mp3 .*; give a"):
        from_files([folder / "bad.mp3"])
    with pytest.raises(ScenarioError, match=r"gone.wav cannot be read"):
        from_files([folder / "gone.wav"])
    with pytest.raises(ScenarioError, match="at least one"):
        from_files([])
