"""The command line as a person types it; what needs a broker is in tests/embedded."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from deploy.cli import app, main
from loadtest import clips
from models.weights import WeightsError

runner = CliRunner()
SCENARIO_AUDIO = Path(__file__).parents[2] / "loadtest" / "scenarios" / "audio"


def run(*arguments: str, status: int = 0, stdin: str | None = None) -> str:
    result = runner.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == status, result.output
    return result.stdout


def test_every_command_has_help() -> None:
    listing = run("--help")
    for command in ("demo", "broker", "topics", "worker", "replay", "alerts", "transcribe", "score", "judge", "bench"):
        assert command in listing
        assert "--help" in run(command, "--help")


def test_judge_one_text() -> None:
    line = json.loads(run("judge", "加我微信", "--json"))
    assert line["text"] == "加我微信"
    assert line["categories"] == ["ads/contact/off-platform"]
    hit = line["hits"][0]
    assert set(hit) >= {"list", "entry", "category", "span", "match"}
    assert line["action"] == "warn"


def test_judge_reads_lines_from_standard_input() -> None:
    lines = [json.loads(line) for line in run("judge", "-", stdin="你好\n加我微信\n").splitlines()]
    assert [bool(line["hits"]) for line in lines] == [False, True]


def test_judge_takes_a_lexicon(tmp_path: Path) -> None:
    lexicon = tmp_path / "own.yaml"
    lexicon.write_text(
        "- {list: own, category: ads/goods/lamps, severity: 2, language: en, match: [exact], entries: [cheap lamps]}\n"
    )
    line = json.loads(run("judge", "buy cheap lamps now", "--lexicon", str(lexicon), "--json"))
    assert [hit["list"] for hit in line["hits"]] == ["own"]


def test_judge_names_what_is_wrong_with_a_lexicon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lexicon = tmp_path / "bad.yaml"
    lexicon.write_text("- list: own\n  category: ads/goods/lamps\n  severity: 9\n  entries: [x]\n")
    message = failing("judge", "x", "--lexicon", str(lexicon), capsys=capsys)
    assert "severity" in message
    assert "bad.yaml" in message


def test_topics_asyncapi_is_a_document() -> None:
    document = json.loads(run("topics", "asyncapi", "--json"))
    assert document["asyncapi"].startswith("3.")
    assert document["channels"]["chunk"]["address"] == "voice.chunks"


@pytest.mark.weights
def test_transcribe_a_plain_file() -> None:
    clip = min(SCENARIO_AUDIO.glob("demo/*.opus"))
    line = json.loads(run("transcribe", str(clip), "--json"))
    assert line["text"]
    assert line["segments"][0]["language"] in {"zh", "en"}


def test_score_of_silence_is_insufficient(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(16_000, np.float32), 16_000)
    line = json.loads(run("score", str(quiet), "--json"))
    assert line == {
        "file": str(quiet),
        "verdict": "insufficient",
        "llr": 0.0,
        "probability": 0.5,
        "speech_seconds": 0.0,
    }


def test_score_gives_every_clip_a_number_and_judges_only_what_is_long_enough(tmp_path: Path) -> None:
    spoken = SCENARIO_AUDIO / "demo" / "lounge-lin-1.opus"
    line = json.loads(run("score", str(spoken), "--json"))
    assert line["speech_seconds"] > 2.0
    assert 0.0 < line["probability"] < 1.0
    assert line["llr"] != 0.0
    samples = clips.read(spoken)
    short = tmp_path / "short.wav"
    soundfile.write(short, samples[8_000:24_000], 16_000)
    line = json.loads(run("score", str(short), "--json"))
    assert line["verdict"] == "insufficient"
    assert line["llr"] != 0.0
    assert "s of speech" in run("score", str(short))


def test_an_unreadable_file_is_one_line_and_does_not_stop_the_others(tmp_path: Path) -> None:
    broken, quiet = tmp_path / "broken.wav", tmp_path / "quiet.wav"
    broken.write_bytes(b"RIFFnothing")
    soundfile.write(quiet, np.zeros(16_000, np.float32), 16_000)
    lines = [json.loads(line) for line in run("score", str(broken), str(quiet), "--json", status=1).splitlines()]
    assert "error" in lines[0]
    assert lines[1]["speech_seconds"] == 0.0


def failing(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    """Standard error of a command that fails as expected, by the real entry point."""
    import sys

    before, sys.argv = sys.argv, ["roomwarden", *arguments]
    try:
        with pytest.raises(SystemExit) as stop:
            main()
    finally:
        sys.argv = before
    assert stop.value.code not in (0, None)
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("worker", "sing"), ("sing", "segment, listen, judge")),
        (("broker", "--kind", "rabbit"), ("rabbit", "embedded or apache")),
        (("broker", "--nodes", "3"), ("--nodes", "apache")),
        (("demo", "--scenario", "nowhere.yaml"), ("nowhere.yaml",)),
        (("ledger", "--from", "yesterday"), ("--from", "RFC 3339")),
        (("replay", "nothing.wav"), ("nothing.wav",)),
    ],
)
def test_errors_are_one_sentence(
    arguments: tuple[str, ...], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    message = failing(*arguments, capsys=capsys)
    assert all(word in message for word in words), message


def test_a_wrong_setting_names_its_field(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWARDEN_PARTITIONS", "many")
    assert "partitions" in failing("doctor", capsys=capsys)


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWARDEN_KAFKA", "127.0.0.1:1")
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json", status=1))["checks"]}
    assert not checks["kafka"]["ok"]
    assert "ROOMWARDEN_KAFKA" in checks["kafka"]["detail"]


def test_bench_guard_measures_on_the_device_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def stopped(_: str, **options: object) -> None:
        asked.update(options)
        raise WeightsError("enough seen")

    monkeypatch.setenv("ROOMWARDEN_DEVICE", "cuda")
    monkeypatch.setattr("models.speech.loading.load_recogniser", stopped)
    result = runner.invoke(app, ["bench", "guard"])
    assert "enough seen" in str(result.exception)
    assert asked["device"] == "cuda"
