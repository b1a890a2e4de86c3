"""Scripted fakes of the models: "audio" is a script, so that a test can say what is heard, and when it goes wrong.

A chunk's payload is one command of ``ScriptedEngine``; what it is told to cut carries text as if it were samples, which
``ScriptedRecogniser`` reads back. So a test writes words at one end and finds them at the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.judgement import Decision, Heard, Hit, Risk, SpeakerState, Takedown
from models.policy.schema import Acknowledge, Incidents
from models.segments import Chunk, Output, Position, Rejected, Span, Utterance
from models.speech.types import SpeechJob, SpeechResult


def as_samples(text: str) -> Any:
    """Text as int16 samples; an odd number of bytes gets a space."""
    data = text.encode()
    return np.frombuffer(data + b" " * (len(data) % 2), dtype="<i2")


def as_text(samples: Any) -> str:
    """Inverse of ``as_samples``."""
    return np.asarray(samples, dtype="<i2").tobytes().decode().rstrip()


@dataclass
class _Open:
    chunks: list[Chunk] = field(default_factory=list)
    revision: int = 0
    resumed: Position | None = None


class ScriptedEngine:
    """A segment engine that does what the payloads say.

    | payload | does |
    |---|---|
    | ``say:TEXT`` | adds words to the open utterance |
    | ``partial`` | puts out the words so far |
    | ``end`` | puts out the final utterance and lets go of all its chunks |
    | ``silence`` | lets go of itself as silence |
    | ``mark`` | the same, with the audible mark of synthetic speech in it |
    | ``bad`` | is rejected as undecodable, and lost |
    | ``boom`` | breaks the engine |
    """

    def __init__(self) -> None:
        self.inbox: list[Chunk] = []
        self.tracks: dict[str, _Open] = {}
        self.resumed: list[tuple[str, Position]] = []
        self.forgotten: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    @property
    def busy(self) -> bool:
        """Whether commands wait."""
        return bool(self.inbox)

    def resume(self, track: str, position: Position) -> None:
        """Note where a track goes on."""
        self.resumed.append((track, position))
        self.tracks[track] = _Open(resumed=position)

    def push(self, chunk: Chunk) -> None:
        """Queue a command."""
        self.inbox.append(chunk)

    def forget(self, tracks: Iterable[str]) -> None:
        """Drop tracks with all they hold."""
        for track in tracks:
            self.forgotten.append(track)
            self.tracks.pop(track, None)
            self.inbox = [chunk for chunk in self.inbox if chunk.track != track]

    def knows(self, track: str) -> bool:
        """Whether the track is open."""
        return track in self.tracks

    def step(self, now_ms: float) -> list[Output]:
        """Carry out what was queued, when the gate is open."""
        del now_ms
        self.gate.wait(30)
        queued, self.inbox = self.inbox, []
        return [output for chunk in queued for output in self._one(chunk)]

    def _one(self, chunk: Chunk) -> list[Output]:
        opened = self.tracks.setdefault(chunk.track, _Open())
        command, _, _text = chunk.payload.decode().partition(":")
        end_ms = chunk.time_ms + chunk.duration_ms
        accounted = round(chunk.duration_ms * 16)
        after = Position(chunk.sequence + 1, 0, 0, end_ms)
        match command:
            case "say":
                opened.chunks.append(chunk)
                return []
            case "partial":
                opened.chunks.append(chunk)
                opened.revision += 1
                return [self._utterance(chunk.track, opened, "partial", opened.revision - 1, (), None)]
            case "end":
                opened.chunks.append(chunk)
                tokens = tuple(held.token for held in opened.chunks)
                final = self._utterance(chunk.track, opened, "endpoint", opened.revision, tokens, after)
                self.tracks[chunk.track] = _Open()
                return [final]
            case "silence" | "mark":
                return [
                    Span(track=chunk.track, kind="silence", reason="", start_ms=chunk.time_ms, end_ms=end_ms,
                         accounted=accounted, released=(chunk.token,), position=after, marked=command == "mark")
                ]  # fmt: skip
            case "bad":
                return [
                    Rejected(track=chunk.track, token=chunk.token, reason="undecodable", detail="send whole packets",
                             released=(chunk.token,)),
                    Span(track=chunk.track, kind="lost", reason="undecodable", start_ms=chunk.time_ms, end_ms=end_ms,
                         accounted=accounted),
                ]  # fmt: skip
            case _:
                raise RuntimeError("the engine broke")

    def _utterance(
        self, track: str, opened: _Open, cause: Any, revision: int, tokens: tuple[object, ...], after: Position | None
    ) -> Utterance:
        first, last = opened.chunks[0], opened.chunks[-1]
        words = " ".join(c.payload.decode().removeprefix("say:") for c in opened.chunks if c.payload[:4] == b"say:")
        return Utterance(
            track=track,
            utterance_sequence=first.sequence,
            utterance_sample=0,
            revision=revision,
            final=cause != "partial",
            cause=cause,
            start_ms=first.time_ms,
            end_ms=last.time_ms + last.duration_ms,
            first_sequence=first.sequence,
            last_sequence=last.sequence,
            samples=as_samples(words),
            overlap_ms=0.0,
            speech_ms=last.time_ms + last.duration_ms - first.time_ms,
            accounted=round(sum(c.duration_ms for c in opened.chunks) * 16) if cause != "partial" else 0,
            released=tokens,
            position=after,
        )


def heard(job: SpeechJob, text: str, **changes: Any) -> SpeechResult:
    """A confident result."""
    fields: dict[str, Any] = {
        "id": job.id,
        "text": text,
        "language": "zh",
        "language_probability": 0.98,
        "posterior": {"zh": 0.98, "en": 0.02},
        "avg_logprob": -0.2,
        "no_speech_probability": 0.01,
        "compression_ratio": 1.1,
    }
    return SpeechResult(**(fields | changes))


class ScriptedRecogniser:
    """Reads the words out of scripted samples. ``boom`` breaks it, ``noise`` is guarded; batches wait for the gate."""

    name = "scripted"
    versions: Mapping[str, str] = {"scripted": "ab" * 32}

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.jobs: list[SpeechJob] = []
        self.thorough: list[bool] = []
        self.running = 0
        self.most_running = 0
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """One result a job."""
        self.thorough.append(thorough)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.threads.add(threading.get_ident())
        self.batches.append([job.id for job in jobs])
        self.jobs.extend(jobs)
        self.started.set()
        self.gate.wait(30)
        try:
            return [self._one(job) for job in jobs]
        finally:
            self.running -= 1

    def _one(self, job: SpeechJob) -> SpeechResult:
        text = as_text(job.samples)
        if text == "boom":
            raise RuntimeError("the model broke")
        if text == "noise":
            return heard(job, "", guard="no-speech", withheld="谢谢观看")
        return heard(job, text)

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Any]:
        """None are known."""
        del job, result
        return []

    def close(self) -> None:
        """Nothing to free."""


class ScriptedJudge:
    """Takes offence at 微信, a little more each time; ``boom`` breaks it. Remembers what it was told."""

    policy_version = "policy-1"
    lexicon_version = "lexicon-1"
    sources: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.patience: Acknowledge | None = None
        self.heard: list[Heard] = []
        self.states: list[SpeakerState] = []

    def versions(self, tenant: str) -> tuple[str, str]:
        """The same for all."""
        del tenant
        return self.policy_version, self.lexicon_version

    def acknowledge(self, tenant: str) -> Acknowledge | None:
        """``patience``, for all."""
        del tenant
        return self.patience

    def incidents(self, tenant: str) -> Incidents:
        """The defaults, for all."""
        del tenant
        return Incidents()

    def decide(self, heard: Heard, state: SpeakerState) -> Decision:
        """Warn, then mute, then kick; once per utterance."""
        self.heard.append(heard)
        self.states.append(state)
        if heard.text == "boom":
            raise RuntimeError("the judge broke")
        begin = heard.text.find("微信")
        if begin < 0:
            return Decision((), (), state)
        earlier = [strike for strike in state.strikes if strike.utterance_id != heard.utterance_id]
        action = ("warn", "mute", "kick")[min(2, len(earlier))]
        span = (begin, begin + 2)
        hit = Hit(
            list="off-platform", entry="微信", category="ads/contact/off-platform", severity=2, language="zh",
            span=span, match="exact", score=0.9,
        )  # fmt: skip
        risk = Risk(f"rk_{heard.utterance_id}", hit.category, 2, 0.9, (hit,), (heard.start_ms, heard.end_ms), span)
        takedown = Takedown(
            id=f"td_{heard.utterance_id}_{action}",
            action=action,
            target={"tenant": heard.tenant, "room": heard.room, "speaker": heard.speaker, "session": heard.session},
            ttl_s=300,
            category=hit.category,
            rule="contact",
            reason={"zh": "请勿引导站外联系", "en": "Please stay on the platform"},
            facts={"entry": "微信"},
            policy_version=self.policy_version,
            utterance_id=heard.utterance_id,
            strikes=float(len(earlier)),
            strike=1.0,
            at_ms=heard.end_ms,
        )
        return Decision((risk,), (takedown,), state.with_strike(heard.utterance_id, heard.end_ms, 1.0))
