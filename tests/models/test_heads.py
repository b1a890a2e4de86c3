import pytest

from models.heads import Assessment, combined
from models.sounds import SoundEvent
from models.synthetic import SyntheticVerdict

VOICE = Assessment(synthetic=SyntheticVerdict("synthetic", 4.0, 0.98, 3.0), models=(("voice", "ab"),))


def test_what_heads_say_is_put_together_in_order():
    scream = SoundEvent("scream", 0, 400, 1.0)
    sounds = Assessment(sounds=(scream,), unspoken="music", models=(("sounds", "cd"),), degraded=("no-third",))
    whole = combined([VOICE, sounds])
    assert whole.synthetic == VOICE.synthetic
    assert (whole.sounds, whole.unspoken, whole.degraded) == ((scream,), "music", ("no-third",))
    assert whole.models == (("voice", "ab"), ("sounds", "cd"))
    assert combined([]) == Assessment()


@pytest.mark.parametrize("sound", ["music", "singing"])
@pytest.mark.parametrize("voice_first", [True, False])
def test_over_music_and_singing_no_voice_is_called_anything(sound, voice_first):
    heard = [VOICE, Assessment(sounds=(SoundEvent("scream", 0, 400, 1.0), SoundEvent(sound, 0, 900, 1.0)))]
    whole = combined(heard if voice_first else heard[::-1])
    assert (whole.synthetic.verdict, whole.synthetic.llr) == ("insufficient", 4.0)
