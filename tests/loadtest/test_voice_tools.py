"""What rendering does without a synthesiser."""

import numpy as np
import pytest

from loadtest.schema import Speaker, Utterance, Voice
from loadtest.voices import assets
from loadtest.voices.engines import RATE, level, trim
from loadtest.voices.render import render
from loadtest.voices.verify import heard_in, sound


class Beeper:
    """An engine whose speech lasts a tenth of a second per character."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, voice: Voice) -> np.ndarray:
        self.said.append(text)
        return np.full(len(text) * RATE // 10, 0.5, np.float32)


def test_marked_pieces_have_exact_times() -> None:
    engine = Beeper()
    line = Utterance(text="一二三，{加我微信}。四五。", split=True)
    speech, marks = render(engine, line, Speaker(id="s", clean=True, voice=Voice(name="v")))
    assert engine.said == ["一二三。", "加我微信。", "四五。"]
    assert marks == [{"phrase": "加我微信", "start_ms": 40 + 400 + 90, "end_ms": 40 + 400 + 90 + 500}]
    middle = speech[round(0.53 * RATE) : round(1.03 * RATE)]
    assert (middle == 0.5).all()
    assert speech[round(0.53 * RATE) - 1] == 0.0
    assert speech[round(1.03 * RATE) + 1] == 0.0


def test_whole_lines_have_no_times() -> None:
    engine = Beeper()
    _, marks = render(engine, Utterance(text="Please {go} now"), Speaker(id="s", clean=True, voice=Voice(name="v")))
    assert engine.said == ["Please go now."]
    assert marks == []


def test_a_speaker_needs_a_voice() -> None:
    with pytest.raises(ValueError, match="has no voice"):
        render(Beeper(), Utterance(text="x"), Speaker(id="s", clean=True))


def test_trimming_and_level() -> None:
    speech = np.zeros(RATE, np.float32)
    speech[8000:16000] = 0.1
    cut = trim(speech, keep_ms=50)
    assert 8000 + 2 * 1100 < len(cut) < 8000 + 2 * 1400
    assert np.max(level(cut)) == pytest.approx(10 ** (-3 / 20), rel=1e-5)
    assert not level(np.zeros(10, np.float32)).any()
    assert len(trim(np.zeros(10, np.float32))) == 10


def test_phrases_are_compared_by_sound() -> None:
    assert sound("加我微信, OK?") == "jia wo wei xin ok"
    assert heard_in("稳赚不赔", "跟着老师买股票 穩賺不陪")
    assert heard_in("Add me on WeChat", "please add me on WeChat, and")
    assert not heard_in("add me", "madd me on")


def test_missing_parts_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROOMWARDEN_KOKORO_VOICES", raising=False)
    with pytest.raises(assets.MissingAssetError, match="npm pack kokoro-js"):
        assets.kokoro_voice("zf_xiaoxiao")
    with pytest.raises(assets.MissingAssetError, match=r"pip install -r loadtest/voices/requirements\.txt"):
        assets.optional("no_such_module_anywhere")
    with pytest.raises(assets.MissingAssetError, match="pip install"):
        assets.package_folder("no_such_module_anywhere")
