"""The Whisper recogniser with real weights: words, languages, batches, times, silence and noise."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models import weights
from models.speech import SpeechJob, simplify
from models.speech.options import WhisperOptions
from models.speech.text import units
from models.speech.vocabulary import Vocabulary, split_cjk
from models.speech.whisper import WhisperRecogniser

pytestmark = pytest.mark.weights

SPEECH = Path(__file__).parents[1] / "data" / "speech"
ENGLISH_WORDS = ["your", "voice", "sounds", "much", "better", "with", "the", "new", "headset"]
MANDARIN_WORDS = list("孩子们在操场上踢足球")
RNG = np.random.default_rng(11)


def read(name):
    samples, rate = soundfile.read(SPEECH / f"{name}.flac", dtype="int16")
    assert rate == 16_000
    return samples


ENGLISH, MANDARIN = read("english"), read("mandarin")
SILENCE = np.zeros(32_000, np.int16)
QUIET_NOISE = RNG.normal(0, 3, 32_000).astype(np.int16)  # about -80 dBFS
NOISE = RNG.normal(0, 1000, 48_000).astype(np.int16)


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    found = weights.find("whisper-base", cache=tmp_path_factory.mktemp("cache"))
    loaded = WhisperRecogniser(found)
    yield loaded
    loaded.close()


@pytest.fixture
def job():
    """Jobs by name, with an id that no two share."""
    audio = {"english": ENGLISH, "mandarin": MANDARIN, "silence": SILENCE, "noise": NOISE, "quiet": QUIET_NOISE}

    def make(name, **options):
        return SpeechJob(id=name, samples=audio[name], **options)

    return make


@pytest.mark.parametrize(
    ("name", "said", "other"), [("english", "voice sounds", "choice counts"), ("mandarin", "操场", "草场")]
)
def test_what_was_said_is_likelier_than_what_was_not(recogniser, job, name, said, other):
    (result,) = recogniser.transcribe([job(name)])
    assert said in result.text
    unlike = result.text.replace(said, other)
    ratios = recogniser.log_ratios(job(name), result, [result.text, unlike, f"{unlike} {unlike}"])
    assert ratios[0] == pytest.approx(0.0, abs=1e-3)
    assert ratios[1] < -5.0
    assert recogniser.log_ratios(job(name), result, [unlike]) == pytest.approx([ratios[1]], abs=0.05)


def heard(result):
    return units(simplify(result.text))


def test_mandarin_english_and_silence_in_one_batch(recogniser, job):
    english, silence, mandarin = recogniser.transcribe([job("english"), job("silence"), job("mandarin")])
    assert (english.id, silence.id, mandarin.id) == ("english", "silence", "mandarin")
    assert heard(english) == ENGLISH_WORDS
    assert heard(mandarin) == MANDARIN_WORDS
    assert (english.language, mandarin.language, silence.language) == ("en", "zh", "")
    assert english.guard is None
    assert mandarin.guard is None
    assert silence.guard == "silence"
    assert english.posterior["en"] > 0.9
    assert mandarin.posterior["zh"] > 0.9
    assert english.degraded == mandarin.degraded == ()


def test_what_a_batch_holds_does_not_change_an_item_of_the_same_length(recogniser):
    length = max(len(ENGLISH), len(MANDARIN))
    even = [np.pad(wave, (0, length - len(wave))) for wave in (ENGLISH, MANDARIN)]
    together = recogniser.transcribe([SpeechJob(str(index), wave) for index, wave in enumerate(even)])
    for index, wave in enumerate(even):
        alone = recogniser.transcribe([SpeechJob(str(index), wave)])[0]
        assert alone.tokens == together[index].tokens
        assert alone.avg_logprob == pytest.approx(together[index].avg_logprob, abs=1e-5)
        assert alone.posterior == pytest.approx(together[index].posterior, abs=1e-5)


def test_results_keep_the_order_of_the_jobs(recogniser, job):
    long = SpeechJob("long", np.concatenate([ENGLISH, MANDARIN, ENGLISH, MANDARIN, ENGLISH]))
    results = recogniser.transcribe([long, job("english"), job("mandarin")])
    assert [result.id for result in results] == ["long", "english", "mandarin"]
    assert heard(results[2]) == MANDARIN_WORDS


def test_float_and_int16_samples_give_the_same_words(recogniser):
    as_float = SpeechJob("float", ENGLISH.astype(np.float32) / 32768)
    assert recogniser.transcribe([as_float])[0].tokens == recogniser.transcribe([SpeechJob("int", ENGLISH)])[0].tokens


@pytest.mark.parametrize("name", ["noise", "quiet", "silence"])
def test_no_words_from_no_speech(recogniser, job, name):
    result = recogniser.transcribe([job(name)])[0]
    assert result.guard is not None
    assert result.text == ""
    assert result.tokens == ()
    assert result.language == ""


@pytest.mark.parametrize("samples", [0, 1, 160, 1600])
def test_a_fragment_is_no_error(recogniser, samples):
    result = recogniser.transcribe([SpeechJob("fragment", NOISE[:samples])])[0]
    assert result.text == ""


def test_nothing_to_do(recogniser):
    assert recogniser.transcribe([]) == []


def test_a_partial_is_never_tried_twice(recogniser, job, monkeypatch):
    monkeypatch.setattr(recogniser, "options", WhisperOptions(retry_logprob=0.0))
    final, partial = (recogniser.transcribe([job("english", partial=partial)])[0] for partial in (False, True))
    assert "no-second-pass" in partial.degraded
    assert "no-second-pass" not in final.degraded
    assert partial.encode_seconds < final.encode_seconds
    assert heard(final) == heard(partial) == ENGLISH_WORDS


def test_without_thoroughness_none_is_tried_twice(recogniser, job, monkeypatch):
    monkeypatch.setattr(recogniser, "options", WhisperOptions(retry_logprob=0.0))
    result = recogniser.transcribe([job("english")], thorough=False)[0]
    assert result.degraded == ("no-second-pass",)


def test_a_wrong_habit_does_not_force_the_language(recogniser, job):
    result = recogniser.transcribe([job("english", prior={"zh": 0.99, "en": 0.01})])[0]
    assert result.language == "en"
    assert heard(result) == ENGLISH_WORDS


def test_a_split_posterior_is_settled_by_the_words(recogniser, job, monkeypatch):
    from models.speech.language import LanguagePolicy

    monkeypatch.setattr(recogniser, "options", WhisperOptions(language=LanguagePolicy(split_below=1.1)))
    english, mandarin = recogniser.transcribe([job("english"), job("mandarin")])
    assert heard(english) == ENGLISH_WORDS
    other = [reading.language for result in (english, mandarin) for reading in result.alternatives]
    assert len(other) == 1
    assert "one-language" in (english.degraded + mandarin.degraded)  # the bound on the cost
    assert heard(mandarin) == MANDARIN_WORDS


def test_audio_over_thirty_seconds_is_cut_and_says_so(recogniser):
    minute = np.tile(ENGLISH, 12)
    result = recogniser.transcribe([SpeechJob("long", minute)], thorough=False)[0]
    assert "over-30-s" in result.degraded
    assert result.padded_seconds == 30.0


@pytest.mark.parametrize(("name", "words"), [("english", ENGLISH_WORDS), ("mandarin", MANDARIN_WORDS)])
def test_word_times_lie_in_order_within_the_speech(recogniser, job, name, words):
    request = job(name)
    result = recogniser.transcribe([request])[0]
    times = recogniser.word_times(request, result)
    assert [units(simplify(word.text))[0] for word in times] == words
    starts = [word.start_ms for word in times]
    assert starts == sorted(starts)
    assert all(0 <= word.start_ms <= word.end_ms <= 1000 * request.seconds for word in times)
    assert all(0.0 <= word.probability <= 1.0 for word in times)
    loud = 1000 * np.flatnonzero(np.abs(request.samples) > 600) / 16_000
    assert abs(times[0].start_ms - loud[0]) < 400
    assert abs(times[-1].end_ms - loud[-1]) < 400


def test_word_times_follow_the_audio(recogniser):
    shift = 16_000
    early = SpeechJob("early", ENGLISH)
    late = SpeechJob("late", np.concatenate([RNG.normal(0, 5, shift).astype(np.int16), ENGLISH]))
    first, second = (recogniser.word_times(request, recogniser.transcribe([request])[0]) for request in (early, late))
    moved = [after.start_ms - before.start_ms for before, after in zip(first, second, strict=True)]
    assert np.median(moved) == pytest.approx(1000, abs=100)


def test_a_guarded_result_has_no_word_times(recogniser, job):
    request = job("noise")
    assert recogniser.word_times(request, recogniser.transcribe([request])[0]) == []


def test_results_do_not_print_what_was_said(recogniser, job):
    result = recogniser.transcribe([job("english")])[0]
    assert "headset" in result.text
    assert "headset" not in repr(result)


def test_name_and_version_are_those_of_the_weights(recogniser):
    assert recogniser.name == "whisper-base"
    assert len(recogniser.versions["whisper-base"]) == 64


def test_vocabulary_joins_tokens_into_characters_and_words(tmp_path):
    directory = weights.find("whisper-base", cache=tmp_path).directory
    vocabulary = Vocabulary(directory)
    text = "hello, 我住在鬱金香路 don't"
    tokens = vocabulary._tokenizer.encode(text, add_special_tokens=False).ids
    words = vocabulary.words(tokens)
    assert "".join(word.text for word in words[1:-1]) == "我住在鬱金香路"
    assert (words[0].text, words[-1].text) == ("hello,", "don't")
    assert words[0].first == 0
    assert words[-1].last == len(tokens) - 1
    assert vocabulary.text(tokens) == text
    with pytest.raises(ValueError, match="multilingual"):
        vocabulary.language("xx")


def test_chinese_is_split_by_character_and_keeps_its_punctuation():
    assert split_cjk("孩子,") == ["孩", "子,"]
    assert split_cjk("headset.") == ["headset."]
