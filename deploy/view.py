"""The live view in a terminal (rich), and its plain and JSON forms for logs."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.board import SPEAKING_MS, Board, RoomBoard, Speaker, percentile
from streams import records
from streams.reading import Observed

Mode = Literal["live", "plain", "json", "silent"]
_ACTION_STYLE = {
    "review": "cyan",
    "label_required": "cyan",
    "warn": "yellow",
    "mute": "bold magenta",
    "kick": "bold red",
    "suspend": "bold red",
    "close_room": "bold red",
}


class View:
    """Shows a board. ``live`` redraws four times a second; ``plain`` and ``json`` print a line per event."""

    def __init__(self, mode: Mode, title: str, console: Console | None = None) -> None:
        self.mode = mode
        self.board = Board()
        self.status = ""
        self.console = console or Console(soft_wrap=mode != "live")
        self._title = title
        self._started = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self.mode == "live":
            self._live = Live(
                get_renderable=self.render, console=self.console, refresh_per_second=4, vertical_overflow="crop"
            )
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        """A progress line: the status line of the live view, a line of its own elsewhere."""
        self.status = text
        if self.mode == "plain":
            self.console.print(f"[dim]{_clock()}[/dim] {text}", highlight=False)
        elif self.mode == "json":
            self.console.print(json.dumps({"event": "progress", "text": text}), highlight=False, markup=False)

    def note(self, observed: Observed) -> None:
        """Take in one record, and print it where the view is a log."""
        known = len(self.board.takedowns)
        self.board.note(observed)
        if self.mode == "json" and not isinstance(observed.record, records.Coverage):
            self._print_json(observed)
        elif self.mode == "plain":
            self._print_plain(observed.record, len(self.board.takedowns) > known)

    def render(self) -> Group:
        """The whole picture as one rich renderable."""
        table = Table(expand=True, pad_edge=False, show_lines=False, header_style="bold")
        for name, ratio in (("room", 3), ("speaker", 2), ("last words", 7), ("voice", 2), ("verdict", 4)):
            table.add_column(name, ratio=ratio, no_wrap=True, overflow="ellipsis")
        now_ms = time.time() * 1000.0
        for room in self.board.rooms.values():
            for index, speaker in enumerate(room.speakers.values()):
                table.add_row(*_row(room, speaker, index == 0, now_ms))
        return Group(Panel(table, title=self._title, subtitle=self._footer()), self._alerts(), Text(self.status, "dim"))

    def save(self, path: Path) -> None:
        """Write the present picture as SVG."""
        canvas = Console(record=True, width=150, file=io.StringIO(), force_terminal=True)
        canvas.print(self.render())
        canvas.save_svg(str(path), title="roomwarden demo")

    def _footer(self) -> Text:
        board = self.board
        parts = [f"{time.monotonic() - self._started:4.0f} s"]
        if board.finding_latency_ms:
            parts.append(f"heard after {percentile(list(board.finding_latency_ms), 0.5) / 1000:.2f} s (median)")
        if board.takedown_latency_ms:
            values = board.takedown_latency_ms
            parts.append(
                f"takedown after {percentile(values, 0.5) / 1000:.2f} s (median), {max(values) / 1000:.2f} s (worst)"
            )
        seconds = {name: value / 1000.0 for name, value in board.milliseconds.items()}
        speech, analysed = seconds.get("segment.speech", 0.0), seconds.get("listen.analysed", 0.0)
        analysed += seconds.get("listen.degraded", 0.0)
        parts.append(f"speech {speech:.0f} s, analysed {analysed:.0f} s")
        return Text(" · ".join(parts))

    def _alerts(self) -> Panel:
        lines = [_alert_line(takedown) for takedown in list(self.board.takedowns)[-6:]]
        body: Any = Group(*lines) if lines else Text("no takedown yet", "dim")
        return Panel(body, title="takedowns", border_style="red" if lines else "dim")

    def _print_json(self, observed: Observed) -> None:
        line = {"topic": observed.topic, "record": msgspec.to_builtins(observed.record)}
        self.console.print(json.dumps(line, ensure_ascii=False), highlight=False, markup=False)

    def _print_plain(self, record: records.Record, new_alert: bool) -> None:
        if isinstance(record, records.Finding) and record.final:
            words = record.transcript or f"[{record.guard}]"
            if record.synthetic.verdict in ("synthetic", "human"):
                words += f"  ({record.synthetic.verdict}{', declared' if record.declared_synthetic else ''})"
            self.console.print(f"{_clock()} {record.room}/{record.speaker}: {words}", highlight=False, markup=False)
        elif isinstance(record, records.Takedown) and new_alert:
            self.console.print(Text(f"{_clock()} ").append_text(_alert_line(record)), highlight=False)


def _row(room: RoomBoard, speaker: Speaker, first: bool, now_ms: float) -> list[Text]:
    speaking = now_ms - speaker.heard_at_ms < SPEAKING_MS
    name = Text(("● " if speaking else "  ") + speaker.name, "bold green" if speaking else "")
    words = Text(speaker.words, "italic" if speaker.partial and speaking else "dim" if not speaking else "")
    if speaker.guard:
        words = Text(f"({speaker.guard})", "dim")
    label = f"{room.room} " + (f"({room.room_type})" if room.room_type else "")
    verdict = (
        Text(f"{speaker.action} {speaker.category}", _ACTION_STYLE.get(speaker.action, ""))
        if speaker.action
        else Text("")
    )
    voice = Text(speaker.voice, "bold red" if speaker.voice == "synthetic" else "dim")
    return [Text(label if first else "", "bold"), name, words, voice, verdict]


def _alert_line(takedown: records.Takedown) -> Text:
    seconds = (takedown.stages.judged_ms - takedown.stages.captured_ms) / 1000.0
    line = Text(f"{takedown.action:<6}", _ACTION_STYLE.get(takedown.action, "bold"))
    line.append(f" {takedown.target.room}/{takedown.target.speaker}", "bold")
    line.append(f"  {takedown.category}  +{seconds:.2f} s  ")
    line.append(takedown.reason.get("zh", ""), "dim")
    line.append("  " + takedown.reason.get("en", ""), "dim")
    return line


def _clock() -> str:
    return time.strftime("%H:%M:%S")
