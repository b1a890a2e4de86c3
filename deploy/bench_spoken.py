"""The spoken evasion suite: renderings through segment engine, recogniser and judge, as in a live room.

``loadtest.voices.spoken`` makes the renderings. Recall counts a disguised sentence when a hit of its category is found,
false alarms count an innocent one when anything is; what the text model proposes counts as neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.rehearing import Rehearing
from deploy.hearing import HeardUtterance, hear
from models.judgement import Heard, Judge, SpeakerState
from models.lexicon import load_lexicon
from models.policy import load_policy
from models.speech import Recogniser
from streams.settings import load as load_settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rendering: what was said and heard, and the first levels of the categories found."""

    text: str
    heard: str
    kind: str
    expected: str
    suite: str
    language: str
    voice: str
    found: tuple[str, ...]
    proposed: tuple[str, ...]
    guards: tuple[str, ...]

    @property
    def hit(self) -> bool:
        """A disguised sentence is found, an innocent one accused."""
        return self.expected in self.found if self.expected else bool(self.found)


def measure(folder: Path, recogniser: Recogniser, report: Callable[[int, int], None] | None = None) -> list[Outcome]:
    """Judge every rendering of ``folder``'s manifest.jsonl.

    Raises:
        FileNotFoundError: when the folder has no manifest.
    """
    lexicon = load_lexicon(None)
    judge, rehearing = Judge(lexicon, load_policy(None)), Rehearing(load_settings(), lexicon)
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    outcomes = []
    for number, line in enumerate(lines, 1):
        row = json.loads(line)
        outcomes.append(_judged(row, hear(recogniser, folder / row["path"], rehearing), judge))
        if report is not None:
            report(number, len(lines))
    return outcomes


def _judged(row: dict[str, Any], utterances: Sequence[HeardUtterance], judge: Judge) -> Outcome:
    state = SpeakerState()
    found: dict[str, None] = {}
    proposed: dict[str, None] = {}
    for number, part in enumerate(utterances):
        result = part.result
        finding = Heard(
            tenant="", room="spoken", room_type="default", role="", minor=False, speaker="", session="",
            utterance_id=str(number), revision=0, final=True, text="" if result.guard else result.text,
            language=result.language, start_ms=part.start_s * 1000.0, end_ms=part.end_s * 1000.0,
            alternatives=tuple(other.text for other in result.alternatives), guarded=result.guard,
            log_ratios=tuple(other.log_ratio for other in result.alternatives),
        )  # fmt: skip
        decision = judge.decide(finding, state)
        state = decision.state
        for risk in decision.risks:
            of_model = risk.hits[0].match == "model"
            (proposed if of_model else found)[risk.category.split("/")[0]] = None
    return Outcome(
        text=row["text"],
        heard=" ".join(part.result.text for part in utterances if not part.result.guard),
        kind=row["kind"],
        expected=row["expected"],
        suite=row["suite"],
        language=row["language"],
        voice=row["voice"],
        found=tuple(found),
        proposed=tuple(proposed),
        guards=tuple(part.result.guard for part in utterances if part.result.guard),
    )


def rates(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Recall and false alarms in all, by suite, language, kind and voice."""
    table: dict[str, Any] = {"all": _rate(outcomes)}
    for field in ("suite", "language", "kind", "voice"):
        values = sorted({getattr(outcome, field) for outcome in outcomes})
        table[field] = {value: _rate([o for o in outcomes if getattr(o, field) == value]) for value in values}
    return table


def _rate(outcomes: Sequence[Outcome]) -> dict[str, int]:
    disguised, innocent = [o for o in outcomes if o.expected], [o for o in outcomes if not o.expected]
    return {
        "disguised": len(disguised),
        "found": sum(o.hit for o in disguised),
        "innocent": len(innocent),
        "accused": sum(o.hit for o in innocent),
        "proposed_only": sum(bool(o.proposed) and not o.hit for o in outcomes),
    }


def table_of(result: dict[str, Any]) -> str:
    """The rates as a table."""
    lines = [f"{'':34}{'found':>15}{'accused':>18}"]
    for field, rows in result.items():
        lines.append(field)
        for value, rate in ({"": rows} if field == "all" else rows).items():
            cells = [_share(rate["found"], rate["disguised"]), _share(rate["accused"], rate["innocent"])]
            lines.append(f"  {value:30}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def _share(hits: int, among: int) -> str:
    return f"{hits}/{among} {hits / among:6.1%}" if among else ""


def written(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write every outcome as a line of JSON: test sentences only, never what a person said."""
    rows = (json.dumps(asdict(outcome), ensure_ascii=False) for outcome in outcomes)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
