import pytest

from models.heads import Assessment, combined
from models.synthetic import SyntheticVerdict

VOICE = Assessment(synthetic=SyntheticVerdict("synthetic", 4.0, 0.98, 3.0), models=(("voice", "ab"),))


def test_what_heads_say_is_put_together_in_order():
    sounds = Assessment(sounds=("laughter",), models=(("sounds", "cd"),), degraded=("no-third",))
    whole = combined([VOICE, sounds])
    assert whole.synthetic == VOICE.synthetic
    assert (whole.sounds, whole.degraded) == (("laughter",), ("no-third",))
    assert whole.models == (("voice", "ab"), ("sounds", "cd"))
    assert combined([]) == Assessment()


@pytest.mark.parametrize("sound", ["music", "singing"])
@pytest.mark.parametrize("voice_first", [True, False])
def test_over_music_and_singing_no_voice_is_called_anything(sound, voice_first):
    heard = [VOICE, Assessment(sounds=("laughter", sound))]
    whole = combined(heard if voice_first else heard[::-1])
    assert (whole.synthetic.verdict, whole.synthetic.llr) == ("insufficient", 4.0)
