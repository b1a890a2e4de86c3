"""What the text model proposes: apart from hits, acted on only where a policy asks, and mildly by the starter's."""

import pytest

from models.classifier import Proposal, TextModel
from models.judgement import Heard, Judge, SpeakerState, judge_text
from models.lexicon import load_lexicon
from models.policy import check, load_policy

LEXICON = load_lexicon("- list: a\n  category: threat/violence/person\n  match: [exact]\n  entries: [打断你的腿]\n")
ALL_BUT_MODEL = "policy: p\nrules:\n  - {id: r, category: '*', action: mute, ttl_s: 60}\n"
WITH_MODEL = ALL_BUT_MODEL + "  - {id: m, category: threat, match: [model], min_score: 0.9, action: review}\n"


@pytest.fixture
def proposing(monkeypatch):
    """Makes the model propose a threat, with a probability to choose, for any text."""

    def propose(probability: float) -> None:
        def classify(self: TextModel, text: str, language: str = "") -> tuple[Proposal, ...]:
            span = (0, len(text))
            return (Proposal("threat", "threat/violence/person", "zh", probability, 4.0, span),) if text else ()

        monkeypatch.setattr(TextModel, "classify", classify)

    return propose


def heard(text: str, **changes: object) -> Heard:
    fields: dict = {
        "tenant": "t", "room": "r", "room_type": "default", "role": "", "minor": False, "speaker": "s", "session": "x",
        "utterance_id": "u", "revision": 0, "final": True, "text": text, "language": "zh",
        "start_ms": 0.0, "end_ms": 2000.0,
    }  # fmt: skip
    return Heard(**{**fields, **changes})


def decide(policy: str, text: str, **changes: object):
    return Judge(LEXICON, load_policy(policy)).decide(heard(text, **changes), SpeakerState())


def test_a_policy_that_does_not_mention_the_model_never_hears_of_it(proposing):
    proposing(0.999)
    decision = decide(ALL_BUT_MODEL, "你给我小心点")
    assert decision.risks == ()
    assert decision.takedowns == ()
    assert "proposals" not in judge_text("你给我小心点", LEXICON, load_policy(ALL_BUT_MODEL), explain=True)


def test_a_rule_for_the_model_leads_to_review_and_costs_no_strike(proposing):
    proposing(0.95)
    decision = decide(WITH_MODEL, "你给我小心点")
    (risk,) = decision.risks
    (takedown,) = decision.takedowns
    assert (risk.hits[0].match, risk.hits[0].list, risk.score) == ("model", "text-model", 0.95)
    assert takedown.action == "review"
    assert takedown.reason["zh"].startswith("自动检测认为这是在威胁他人，但没有把握。")
    assert takedown.reason["en"].startswith(
        "An automatic check thinks, without being sure, that this threatens somebody."
    )
    assert decision.state.strike_sum(2000.0, 1800, 86400, "") == 0.0


def test_min_score_of_the_rule_raises_the_bar(proposing):
    proposing(0.85)
    decision = decide(WITH_MODEL, "你给我小心点")
    assert len(decision.risks) == 1
    assert decision.takedowns == ()


def test_min_score_of_the_policy_drops_the_finding(proposing):
    proposing(0.85)
    assert decide("min_score: 0.9\n" + WITH_MODEL, "你给我小心点").risks == ()


def test_a_listed_phrase_makes_the_proposal_needless(proposing):
    proposing(0.999)
    decision = decide(WITH_MODEL, "我打断你的腿")
    assert [r.hits[0].match for r in decision.risks] == ["exact"]
    assert [t.action for t in decision.takedowns] == ["mute"]


@pytest.mark.parametrize("changes", [{"final": False}, {"guarded": "loop"}])
def test_neither_partial_nor_withheld_words_are_proposed(proposing, changes):
    proposing(0.999)
    assert decide(WITH_MODEL, "你给我小心点", **changes).risks == ()


def test_proposals_stand_apart_from_hits_categories_and_action(proposing):
    proposing(0.95)
    policy = load_policy(WITH_MODEL)
    line = judge_text("你给我小心点", LEXICON, policy)
    assert (line["hits"], line["categories"], line["action"]) == ([], [], None)
    assert line["proposals"] == [{"category": "threat/violence/person", "probability": 0.95, "span": [0, 6]}]
    (explained,) = judge_text("你给我小心点", LEXICON, policy, explain=True)["proposals"]
    assert explained["action"] == "review"
    assert "text model" in explained["explain"][0]


def test_the_starter_policy_never_does_more_than_review(proposing):
    proposing(0.999)
    for changes in ({}, {"room_type": "kids"}, {"minor": True, "room_type": "kids"}):
        decision = Judge(LEXICON, load_policy()).decide(heard("你给我小心点", **changes), SpeakerState())
        assert [t.action for t in decision.takedowns] == ["review"]


def test_a_rule_for_the_model_is_not_hidden_by_one_that_is_not():
    assert check(WITH_MODEL) == []
    rule = "  - {{id: {}, category: '*', match: [model], action: review}}\n"
    hidden = "policy: p\nrules:\n" + rule.format("a") + rule.format("b")
    assert "rule a covers it" in str(check(hidden)[0])


def test_versions_do_not_depend_on_the_order_of_matches():
    first, second = (WITH_MODEL.replace("[model]", m) for m in ("[model, voice, exact]", "[exact, model, voice]"))
    assert load_policy(first).version == load_policy(second).version
