"""``bench lexicon``: what it is measured on, and that every matcher is."""

from deploy.bench_lexicon import OFFENDING_SHARE, entries, measure, sentences, table


def test_sentences_are_distinct_and_mostly_ordinary():
    said = sentences(600)
    assert len(said) == len({text for text, _ in said}) == 600
    assert sum(bad for _, bad in said) / 600 <= 2 * OFFENDING_SHARE
    assert {text.isascii() for text, _ in said} == {True, False}
    assert said == sentences(600)


def test_entries_are_the_starter_lists_and_more():
    made = entries(3400)
    assert len({e.text for e in made}) == 3400
    assert {e.language for e in made} >= {"zh", "en"}


def test_the_lexicon_is_measured_beside_its_peers():
    result = measure(300, 100)
    names = [row["matcher"] for row in result["matchers"]]
    assert names[0].startswith("phonetic lexicon")
    assert any("pyahocorasick" in name for name in names)
    lexicon, plain = result["matchers"][:2]
    assert lexicon["found"] >= plain["found"]
    assert all(row["per_second"] > 0 for row in result["matchers"])
    assert table(result).count("\n") == 3 + len(names)
