"""Near misses: what almost sounds like an entry is proposed, what is one already or is nothing like it is not."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.lexicon import load_lexicon, starter_lexicon
from models.lexicon.near import NearIndex, syllable_cost
from models.lexicon.readings import MOST_READINGS, Readings, spelled
from models.text.pinyin import syllables

LEXICON = starter_lexicon()
READINGS, OTHERS = Readings(LEXICON), Readings(LEXICON)
ENTRIES = [entry.text for entry in LEXICON.entries if "pattern" not in entry.match]
ZH = "- list: a\n  category: a/b/c\n  severity: 3\n  language: zh\n  match: [exact, phonetic]\n  entries: "


def readings(text: str) -> dict[str, str]:
    return {reading.entry: reading.text for reading in READINGS.of(text)}


@pytest.mark.parametrize(
    ("heard", "entry", "said"),
    [
        ("今天一起玩拜假落吗", "百家乐", "今天一起玩百家乐吗"),
        ("小心眼肉搜索他的信息", "人肉搜索", "小心人肉搜索他的信息"),
        ("來玩拜假落嗎", "百家乐", "來玩百家樂嗎"),
        ("拜假落，妈妈每天都来妈妈这里", "百家乐", "百家乐，妈妈每天都来妈妈这里"),
        ("so just add me and we chat tonight", "add me on WeChat", "so just add me on WeChat tonight"),
        ("Add me and we chat", "add me on WeChat", "Add me on WeChat"),
    ],
)
def test_what_almost_sounds_like_an_entry_is_read_as_it(heard: str, entry: str, said: str) -> None:
    assert said in readings(heard).values()
    found = next(reading for reading in READINGS.of(heard) if reading.text == said)
    assert any(hit.entry == entry for hit in LEXICON.find(found.text))
    after = len(heard) - found.end
    assert (said[: found.begin], said[len(said) - after :]) == (heard[: found.begin], heard[found.end :])


@pytest.mark.parametrize(
    "text", ["", "大家好", "我们在房间里玩百家乐", "add me on WeChat", "周末我们去爬山", "好", "hi"]
)
def test_what_is_an_entry_or_is_like_none_has_no_other_reading(text: str) -> None:
    assert READINGS.of(text) == ()


def test_entries_that_are_short_or_are_not_matched_by_sound_are_not_sought() -> None:
    index = NearIndex(load_lexicon(f"{ZH}[赌博, 百家乐]\n").entries)
    assert {near.entry for near in index.find("渡伯拜假落", 9)} == {1}
    exact = load_lexicon(f"{ZH.replace('[exact, phonetic]', '[exact]')}[百家乐]\n")
    assert NearIndex(exact.entries).find("拜假落", 9) == ()


def test_words_heard_right_keep_their_capitals() -> None:
    assert spelled("Add Me and we chat", "add me on WeChat", "Add Me and we chat") == "Add Me on WeChat"
    assert spelled("Bat me", "bet me", "Bat me") == "Bet me"


def test_syllables_are_alike_by_their_parts() -> None:
    assert syllable_cost("le", "le") == 0.0
    assert syllable_cost("zhang", "zang") < syllable_cost("le", "luo") < syllable_cost("le", "shuang")
    known = sorted(syllables())
    assert all(0.0 < syllable_cost(a, b) == syllable_cost(b, a) for a in known[::7] for b in known[::11] if a != b)


PIECES = [*"你我他来玩去拜假落眼肉搜索微信在房间里", "add ", "me ", "and ", "we ", "chat ", "kill "]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=24).map("".join),
    st.tuples(st.sampled_from(ENTRIES), st.integers(0, 12)).map(lambda drawn: drawn[0][: drawn[1]] + "的吧"),
)


@settings(deadline=None)
@given(TEXTS)
@example("Add me and we chat 拜假落")
def test_readings_are_few_and_other_than_what_was_heard_and_hit(text: str) -> None:
    found = READINGS.of(text)
    assert found == OTHERS.of(text)
    assert len(found) <= MOST_READINGS
    assert len({reading.text for reading in found}) == len(found)
    for reading in found:
        assert reading.text != text
        assert 0 <= reading.begin < reading.end <= len(text)
        assert reading.text.startswith(text[: reading.begin])
        assert reading.text.endswith(text[reading.end :])
        assert any(hit.entry == reading.entry for hit in LEXICON.find(reading.text))
        own = [hit.span for hit in LEXICON.find(text)]
        assert not any(begin < reading.end and reading.begin < end for begin, end in own)
