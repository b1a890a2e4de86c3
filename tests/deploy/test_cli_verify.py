"""``audit verify`` on files: what it says, how it ends, and how it refuses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from typer.testing import CliRunner

from deploy.cli import app, main
from loadtest.recording import Recorded
from streams.breaks import MEANINGS, Kind
from streams.chain import Sealer
from streams.codec import encode
from tests.support import samples

runner = CliRunner()


def recording(file: Path, numbers: list[int]) -> str:
    """A recording of five takedowns, of which these are kept."""
    sealer = Sealer("rw-judge/0", {})
    bodies = []
    for number in range(5):
        message = encode(samples.takedown(takedown_id=f"td_{number}"))
        headers = message.headers + sealer.seal(message)
        kept = Recorded(message.topic, message.key, message.value, headers, 1_767_225_600_000 + number * 1000)
        body = msgspec.msgpack.encode(kept)
        if number in numbers:
            bodies.append(len(body).to_bytes(4, "big") + body)
    file.write_bytes(gzip.compress(b"".join(bodies)))
    return str(file)


def run(*arguments: str, status: int = 0) -> str:
    result = runner.invoke(app, ["audit", *arguments])
    assert result.exit_code == status, result.output
    return result.stdout


def test_a_whole_record_ends_with_status_0(tmp_path: Path) -> None:
    lines = run("verify", recording(tmp_path / "a.rwrec", [0, 1, 2, 3, 4])).splitlines()
    assert lines == [
        "moderation.takedowns rw-judge/0: 5 records, positions 1 to 5: whole",
        "1 chains, 5 records: nothing broken",
    ]


def test_a_hole_is_named_with_its_place_and_ends_with_status_1(tmp_path: Path) -> None:
    file = recording(tmp_path / "a.rwrec", [1, 2, 4])
    lines = run("verify", file, status=1).splitlines()
    assert lines[0].endswith("positions 2 to 5: 1 broken; begins at 2, because older records are gone")
    assert lines[1].startswith("  missing: moderation.takedowns record 2 (position 5, id td_4): the link before it")
    found = [json.loads(line) for line in run("verify", file, "--json", status=1).splitlines()]
    assert [(f["broken"], f.get("offset")) for f in found if "broken" in f] == [("missing", 2), (1, None)]
    assert run("verify", file, "--to", "2026-01-01T00:00:04Z").endswith("2 records: nothing broken\n")


def test_anchors_hold_a_later_record_to_what_was(tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_text(run("anchor", recording(tmp_path / "a.rwrec", [0, 1, 2, 3, 4])))
    run("verify", str(tmp_path / "a.rwrec"), "--anchor", str(anchors))
    said = run("verify", recording(tmp_path / "b.rwrec", [0, 1, 2]), "--anchor", str(anchors), status=1)
    assert "anchor: (position 5, id unknown): the anchored link is not on record" in said
    run("anchor", recording(tmp_path / "c.rwrec", [0, 2]), status=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--anchor", "missing.jsonl"), "no file"),
        (("--anchor", "a.rwrec"), "does not hold what `roomwarden audit anchor` printed"),
        (("--from", "yesterday"), "--from must be RFC 3339"),
        (("no.rwrec",), "no.rwrec is no recording"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path,
    arguments: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording(tmp_path / "a.rwrec", [0])
    given = [str(tmp_path / each) if each.endswith(("rwrec", "jsonl")) else each for each in arguments]
    monkeypatch.setattr("sys.argv", ["roomwarden", "audit", "verify", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_documents_name_everything_that_can_be_broken() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    section = page.partition("\n## The record\n")[2].partition("\n## ")[0]
    assert set(get_args(Kind)) == set(MEANINGS)
    assert [kind for kind in MEANINGS if f"`{kind}`" not in section] == []
