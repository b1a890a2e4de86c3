import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.synthetic import SequentialTest, SpeakerEvidence

LLR = st.floats(-8, 8)


def gather(values: list[float], test: SequentialTest) -> SpeakerEvidence:
    evidence = SpeakerEvidence()
    for value in values:
        evidence = evidence.add(value, test)
    return evidence


def test_no_utterance_no_evidence():
    assert SpeakerEvidence().llr(SequentialTest()) == 0.0
    assert SpeakerEvidence().decide(SequentialTest()) == "undecided"


def test_independent_utterances_add_up_and_decide():
    test = SequentialTest(correlation=0.0)
    assert gather([1.5, 1.5, 1.5], test).llr(test) == pytest.approx(4.5)
    assert gather([1.5, 1.5, 1.5], test).decide(test) == "undecided"
    assert gather([1.5] * 4, test).decide(test) == "synthetic"
    assert gather([-1.0] * 3, test).decide(test) == "human"


def test_fully_correlated_utterances_say_no_more_than_one():
    test = SequentialTest(correlation=1.0)
    assert gather([2.0] * 50, test).llr(test) == pytest.approx(2.0)
    assert gather([2.0] * 50, test).decide(test) == "undecided"


def test_one_confident_mistake_does_not_decide():
    test = SequentialTest()
    assert SpeakerEvidence().add(1e6, test).decide(test) == "undecided"


def test_thresholds_are_walds():
    test = SequentialTest(false_alarm_rate=0.01, miss_rate=0.05)
    assert test.upper == pytest.approx(math.log(95))
    assert test.lower == pytest.approx(math.log(0.05 / 0.99))


@given(st.lists(LLR, min_size=1, max_size=20), st.floats(0, 1))
def test_discounted_evidence_is_never_more_than_the_sum(values, correlation):
    test = SequentialTest(correlation=correlation)
    evidence = gather(values, test)
    assert abs(evidence.llr(test)) <= abs(evidence.total) + 1e-9


@given(st.permutations([-3.0, -1.0, 0.5, 2.0, 3.5]))
def test_order_does_not_matter(values):
    test = SequentialTest()
    assert gather(values, test).llr(test) == pytest.approx(gather(sorted(values), test).llr(test))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="llr"):
        SpeakerEvidence().add(value, SequentialTest())


@pytest.mark.parametrize(
    ("field", "value"),
    [("false_alarm_rate", 0.0), ("miss_rate", 0.6), ("correlation", 1.5), ("clip", 0.0)],
)
def test_impossible_settings_name_the_field(field, value):
    with pytest.raises(ValueError, match=field):
        SequentialTest(**{field: value})
