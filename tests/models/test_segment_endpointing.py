"""Endpointing on scripted probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from models.endpointing import Decision, Endpointer, EndpointSettings, quietest

WINDOW = 512


def decisions(probabilities, **settings) -> tuple[list[tuple[int, Decision]], Endpointer]:
    """Every decision that is one, with its window; stops at the first boundary as a track does."""
    endpointer = Endpointer(EndpointSettings(**settings))
    found = []
    for index, probability in enumerate(probabilities):
        decision = endpointer.feed(probability)
        if decision is not Decision.NOTHING:
            found.append((index, decision))
        if decision in (Decision.ENDPOINT, Decision.MAXIMUM, Decision.SILENCE):
            break
    return found, endpointer


def test_an_utterance_has_its_pre_roll_hangover_and_tail():
    found, endpointer = decisions([0.0] * 20 + [0.9] * 20 + [0.0] * 40)
    assert found[-1] == (55, Decision.ENDPOINT)  # 500 ms are 15.6 windows
    assert endpointer.start == 20 * WINDOW - 250 * 16
    assert endpointer.end == 40 * WINDOW + 250 * 16
    assert endpointer.speech_ms(endpointer.end) == 640


def test_hysteresis_keeps_an_open_utterance_open():
    assert decisions([0.45] * 60)[0] == []
    found, endpointer = decisions([0.6] + [0.45] * 29 + [0.3] * 40)
    assert found[-1] == (45, Decision.ENDPOINT)
    assert endpointer.start == 0
    assert endpointer.speech_ms(endpointer.end) == 960


def test_a_pause_shorter_than_the_hangover_does_not_end_it():
    found, _ = decisions(([0.9] * 10 + [0.0] * 15) * 2 + [0.0] * 5)
    assert found[-1] == (35 + 15, Decision.ENDPOINT)


def test_too_short_speech_is_silence():
    found, endpointer = decisions([0.9] * 7 + [0.0] * 200)
    assert found == [(156, Decision.SILENCE)]
    assert not endpointer.open
    assert decisions([0.9] * 8 + [0.0] * 20)[0] == [(23, Decision.ENDPOINT)]


def test_a_partial_for_every_so_much_of_speech_not_of_time():
    found, _ = decisions(([0.9] * 16 + [0.0] * 14) * 5, short_hangover_ms=500, partial_ms=1_000)
    assert [decision for _, decision in found] == [Decision.PARTIAL] * 2
    assert [index for index, _ in found] == [30 + 15, 3 * 30 + 14]  # windows 32 and 63 of speech


@pytest.mark.parametrize(
    ("spoken_ms", "pause_ms"), [(1_000, 512), (1_472, 512), (2_240, 352), (3_200, 160), (9_600, 160)]
)
def test_the_longer_the_utterance_the_shorter_the_pause_that_ends_it(spoken_ms, pause_ms):
    spoken = [0.9] * (spoken_ms // 32)
    found, endpointer = decisions(spoken + [0.0] * 40)
    assert found[-1] == (len(spoken) - 1 + pause_ms // 32, Decision.ENDPOINT)
    assert len(spoken) * WINDOW < endpointer.end <= endpointer.now


def test_the_maximum_counts_from_the_pre_roll():
    found, endpointer = decisions([0.0] * 10 + [0.9] * 1_000)
    assert found[-1][1] is Decision.MAXIMUM
    assert 0 <= endpointer.now - endpointer.start - 12_000 * 16 < WINDOW
    assert endpointer.partials == 23


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"release": 0.6}, "release"),
        ({"onset": 1.0}, "onset"),
        ({"tail_ms": 600}, "tail_ms"),
        ({"short_hangover_ms": 600}, "short_hangover_ms"),
        ({"partial_ms": 0}, "partial_ms"),
        ({"maximum_ms": 4_000}, "maximum_ms"),
        ({"silence_ms": 900}, "silence_ms"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        EndpointSettings(**settings)


def test_the_quietest_point():
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal(48_000) * 5_000).astype(np.int16)
    samples[20_000:22_000] //= 50
    assert 20_000 < quietest(samples) < 22_000
    assert quietest(np.zeros(48_000, np.int16)) == 720  # the first of equals
    assert quietest(samples[:1_000]) == 500
