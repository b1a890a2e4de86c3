"""Voices of the bundled scenarios, cut as `segment` cuts them and scored by the shipped detector."""

import numpy as np
import pytest

from loadtest.events import TimedChunk
from loadtest.scenario import load
from loadtest.traffic import traffic
from models.segmenting import SegmentEngine, SegmentSettings
from models.segments import Chunk, Utterance
from models.synthetic import SequentialTest, SpeakerEvidence
from models.synthetic.head import SyntheticHead
from models.tracks import TrackSettings


def ratios(scenario: str, room: str) -> dict[str, list[float]]:
    """Log-likelihood ratios of a room's utterances that the detector calls synthetic, by speaker."""
    engine, head = SegmentEngine(SegmentSettings(track=TrackSettings())), SyntheticHead()
    heard: list[Utterance] = []
    now = 0.0

    def run_to(end: float) -> None:
        nonlocal now
        while now < end:
            heard.extend(out for out in engine.step(now) if isinstance(out, Utterance) and out.final)
            now += 40.0

    whole = load(scenario)
    rooms = tuple(each for each in whole.rooms if each.id == room)
    if not rooms:
        pytest.skip("the recordings of an optional room are not installed")
    for event in traffic(whole.model_copy(update={"rooms": rooms})):
        if isinstance(event, TimedChunk):
            run_to(event.at_ms)
            engine.push(
                Chunk(
                    track=event.speaker,
                    sequence=event.sequence,
                    time_ms=event.capture_offset_ms,
                    duration_ms=event.duration_ms,
                    content_type=event.content_type,
                    payload=event.payload,
                    last=event.last,
                    token=0,
                )
            )
    run_to(now + 4_000.0)
    found: dict[str, list[float]] = {}
    for utterance in heard:
        samples = utterance.samples.astype(np.int16)
        verdict = head.assess(samples, partial=False, speech_seconds=utterance.speech_ms / 1000.0).synthetic
        assert verdict is not None
        if verdict.verdict == "synthetic":
            found.setdefault(utterance.track, []).append(verdict.llr)
    return found


@pytest.mark.parametrize(("scenario", "room"), [("demo", "ai-salon"), ("platform", "cloned-voice")])
def test_the_impostor_is_found_out_even_if_a_line_or_two_go_unscored(scenario, room):
    found = sorted(ratios(scenario, room)["impostor"])
    test = SequentialTest()
    for left_out in range(3):
        evidence = SpeakerEvidence()
        for llr in found[: len(found) - left_out]:
            evidence = evidence.add(llr, test)
        assert evidence.decide(test) == "synthetic"


def test_the_declared_host_sounds_synthetic_too():
    assert ratios("demo", "ai-salon")["host-ai"]


def test_people_who_read_aloud_are_not_taken_for_machines():
    assert ratios("demo", "readings") == {}
