"""An offending phrase at every 100 ms offset of the stream, in every codec and chunk size, is found, once.

The way of the data without Kafka: encoded chunks through the segment engine, the recogniser and the judge, partial
revisions included, as the stages do it. A second test lays the phrase over the places where continuous talk is cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from agents.judge import load_judge
from loadtest import clips, codecs
from loadtest.schema import SCENARIOS, Codec, CodecName
from models.judgement import Heard, SpeakerState, Takedown
from models.segmenting import SegmentEngine
from models.segments import Chunk, Rejected, Utterance
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.speech.loading import load_recogniser

pytestmark = [pytest.mark.weights, pytest.mark.timeout(600)]

RATE = 16_000
PHRASE = SCENARIOS / "audio" / "demo" / "ranked-team-stalker-1.opus"
"""“Give me back my account, I will kill you.”"""
TALK = ("stage-talk-singer-1", "stage-talk-singer-2", "stage-talk-singer-3", "stage-talk-host-1", "stage-talk-host-2")
CODECS: tuple[CodecName, ...] = ("pcm", "opus", "opus-length16", "ogg", "ogg-stream", "flac", "mp3", "aac")
CHUNKS_MS = (20, 60, 100, 200, 500, 1000, 2000)
START_MS = 1_790_000_000_000.0
BATCH = 16


@dataclass
class Track:
    """One stream on its way: what was cut, and what the judge made of it."""

    name: str
    cut: list[Utterance] = field(default_factory=list)
    takedowns: list[Takedown] = field(default_factory=list)


@pytest.fixture(scope="module")
def recogniser() -> Iterator[Recogniser]:
    loaded = load_recogniser("whisper-base", threads=2)
    yield loaded
    loaded.close()


def voice(path: object) -> np.ndarray:
    return clips.read(path)  # type: ignore[arg-type]


def stream(phrase: np.ndarray, offset_ms: int, length_ms: int) -> np.ndarray:
    """The phrase in faint noise, at an offset from the stream's start."""
    noise = np.random.default_rng(offset_ms).normal(0.0, 8.0, length_ms * 16)
    begin = offset_ms * 16
    noise[begin : begin + len(phrase)] += phrase
    return np.clip(noise, -32768, 32767).astype(np.int16)


def segment(name: str, samples: np.ndarray, codec: Codec, *, partials: bool) -> Track:
    """What the engine cuts from a stream, in order, with or without partial revisions; nothing may be rejected."""
    engine, track = SegmentEngine(), Track(name)
    media = codecs.content_type(codec)
    chunks = list(codecs.encode([samples], codec))
    for sequence, chunk in enumerate(chunks):
        last = sequence == len(chunks) - 1
        time_ms = START_MS + chunk.offset_ms
        engine.push(Chunk(name, sequence, time_ms, chunk.duration_ms, media, chunk.payload, last, sequence))
        for output in engine.step(time_ms):
            assert not isinstance(output, Rejected), output.detail
            if isinstance(output, Utterance) and (partials or output.final):
                track.cut.append(output)
    return track


def judge_all(tracks: list[Track], recogniser: Recogniser) -> None:
    """Recognise every revision, in batches across tracks, and judge each track's in order."""
    everything = [(track, utterance) for track in tracks for utterance in track.cut]
    jobs = [
        SpeechJob(id=str(index), samples=utterance.samples, partial=not utterance.final)
        for index, (_, utterance) in enumerate(everything)
    ]
    results: list[SpeechResult] = []
    for begin in range(0, len(jobs), BATCH):
        results.extend(recogniser.transcribe(jobs[begin : begin + BATCH]))
    judge = load_judge(None, [])
    states: dict[int, SpeakerState] = {}
    for (track, utterance), result in zip(everything, results, strict=True):
        heard = Heard(
            tenant="demo",
            room="room",
            room_type="voice-chat",
            role="",
            minor=False,
            speaker="speaker",
            session="session",
            utterance_id=f"{track.name}/{utterance.utterance_sequence}/{utterance.utterance_sample}",
            revision=utterance.revision,
            final=utterance.final,
            text=result.text,
            language=result.language,
            start_ms=utterance.start_ms,
            end_ms=utterance.end_ms,
            guarded=result.guard,
        )
        decision = judge.decide(heard, states.get(id(track), SpeakerState()))
        states[id(track)] = decision.state
        track.takedowns.extend(decision.takedowns)


def assert_found_once(tracks: list[Track]) -> None:
    wrong = {
        track.name: [takedown.category for takedown in track.takedowns]
        for track in tracks
        if len({takedown.id for takedown in track.takedowns}) != 1
        or not track.takedowns[0].category.startswith("threat/")
    }
    assert not wrong, f"{len(wrong)} of {len(tracks)}: {wrong}"


@pytest.mark.parametrize("codec", CODECS)
def test_found_once_at_every_offset(codec: CodecName, recogniser: Recogniser) -> None:
    phrase = voice(PHRASE)
    tracks = []
    # 2 s of offsets: every phase against chunks (up to 2 s) and against partial revisions (each second).
    for number, offset_ms in enumerate(range(0, 2000, 100)):
        way = Codec(name=codec, chunk_ms=CHUNKS_MS[number % len(CHUNKS_MS)])
        samples = stream(phrase, offset_ms, 2000 + 3300 + 1000)
        name = f"{codec}/{way.chunk_ms} ms/+{offset_ms} ms"
        # Partial revisions do not depend on the codec; those of one codec show that they never act twice.
        tracks.append(segment(name, samples, way, partials=codec == "pcm"))
    judge_all(tracks, recogniser)
    assert_found_once(tracks)


def test_found_once_across_the_cuts_of_continuous_talk(recogniser: Recogniser) -> None:
    phrase = voice(PHRASE)
    talk = np.concatenate([voice(SCENARIOS / "audio" / "demo" / f"{name}.opus") for name in TALK * 2])
    tracks = []
    for offset_ms in range(9000, 12000, 200):
        begin = offset_ms * 16
        # No pause of a hangover's length, so that the talk is cut at a short one, or where it is quietest.
        samples = np.concatenate([talk[:begin], phrase, talk[begin : begin + 4 * RATE], np.zeros(RATE, np.int16)])
        tracks.append(segment(f"+{offset_ms} ms", samples, Codec(name="pcm", chunk_ms=200), partials=True))
    # The phrase must meet cuts, or the test shows nothing.
    assert all(sum(utterance.final for utterance in track.cut) >= 2 for track in tracks)
    judge_all(tracks, recogniser)
    assert_found_once(tracks)
