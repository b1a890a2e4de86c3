"""segment: audio chunks in; utterances, and the coverage record of every interval, out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import msgspec

from agents.stage import Stage
from models.admission import Admission
from models.segmenting import SegmentEngine
from models.segments import Chunk, Output, Position, Rejected, Span, Utterance
from models.synthetic.declared import Status, of_bytes, strongest
from streams import records
from streams.codec import decode
from streams.delivery import Partition, Slot
from streams.envelope import BadReason, BadRecord
from streams.identifiers import coverage_id, track_key, utterance_id
from streams.metrics import Metrics
from streams.settings import Settings
from streams.state import StateTable
from streams.topics import CHUNKS, Topic

SAMPLES_PER_MS = 16.0
STEP_S = 0.03
"""Audio waits at most this long for a voice activity batch; more tracks share one batch when it is longer."""
FULL_CHUNKS = 256
"""Chunks that make a batch worth a step at once."""
BACKLOG_CHUNKS = 2048
"""Chunks read but not yet stepped; above it, reading pauses."""
RESUME_AFTER_S = 30.0
"""A track without chunks for so long begins again at its saved position: the engine forgets quiet tracks after 60 s."""
FORGET_AFTER_MS = 24 * 3_600_000.0
SWEEP_S = 600.0
"""Positions that no boundary has moved for a day are dropped, by a sweep every ten minutes."""


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """A track's last boundary, as kept in the positions table."""

    sequence: int
    sample: int
    overlap: int
    time_ms: float | None
    saved_ms: float
    partition: int


@dataclass(slots=True)
class _Track:
    """Who is behind a track, and the newest slot on whose behalf its position is written."""

    tenant: str
    room: str
    speaker: str
    session: str
    partition: Partition
    slot: Slot
    fed_s: float
    """Monotonic clock of its latest chunk."""
    declared_synthetic: bool = False
    told_minute: float = -1.0
    """The latest minute of capture for which it is on record that chunks of it are refused."""
    label: Status = ""
    """The strongest label or audible mark found in the track so far."""

    @property
    def status(self) -> Status:
        """The grade of the track's declaration as a synthetic voice."""
        return strongest((self.label, "possible" if self.declared_synthetic else ""))


class Segment(Stage):
    """Feeds the segment engine and publishes what it says; holds no signal processing."""

    name = "segment"

    def __init__(self, settings: Settings, metrics: Metrics, engine: SegmentEngine | None = None) -> None:
        super().__init__(settings, metrics)
        self.engine = engine
        self._positions = StateTable(self.app, "positions", settings.partitions)
        self._tracks: dict[str, _Track] = {}
        self._executor = ThreadPoolExecutor(1, "segment")  # the engine's only owner
        self._wake = asyncio.Event()
        self._backlog = 0
        self._latest: dict[int, Slot] = {}
        self._swept_at = time.monotonic()
        self._read_age_s = 0.0
        self._admission = Admission(settings.admission)
        self.read(CHUNKS)

    async def load(self) -> None:
        """Load the voice activity model."""
        if self.engine is None:
            self.engine = await asyncio.get_running_loop().run_in_executor(self._executor, SegmentEngine)
        self.loaded = True

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Queue one chunk for the next step."""
        message = slot.event.message
        chunk = decode(records.Chunk, message.headers, message.value)
        if len(chunk.audio) > self.settings.max_chunk_bytes:
            raise BadRecord("oversized", f"the value has {len(chunk.audio)} bytes; send chunks of at most 2 s")
        self._check_clock(chunk.time_ms, message.timestamp)
        key = track_key(chunk.tenant, chunk.room, chunk.session, chunk.speaker)
        track = self._tracks.get(key)
        engine = self._engine()
        now_s = time.monotonic()
        if track is None or _is_quiet(track, now_s):
            track = _Track(chunk.tenant, chunk.room, chunk.speaker, chunk.session, slot.partition, slot, now_s)
            self._tracks[key] = track
            saved = self._positions.get(key)
            if saved is not None:
                at = msgspec.json.decode(saved, type=_Saved)
                engine.resume(key, Position(at.sequence, at.sample, at.overlap, at.time_ms))
        track.slot = slot
        track.fed_s = now_s
        self._latest[slot.partition[1]] = slot
        self._read_age_s = max(0.0, time.time() - message.timestamp) if message.timestamp else 0.0
        track.declared_synthetic = chunk.declared_synthetic
        track.label = strongest((track.label, _label(chunk)))
        admitted = self._admission.admits(chunk.tenant, key, slot.partition[1], chunk.time_ms)
        if not admitted:
            await self._tell(chunk, track, slot)
        elif chunk.last:
            self._admission.ended(chunk.tenant, key)
        engine.push(for_engine(chunk, key, slot, refused=not admitted))
        self._backlog += 1
        self._wake.set()
        while self._backlog > BACKLOG_CHUNKS:
            await asyncio.sleep(STEP_S)

    async def _tell(self, chunk: records.Chunk, track: _Track, slot: Slot) -> None:
        """Count a refused chunk; the first of each track and minute goes on record with the limit and the remedy."""
        self.metrics.count("roomwarden_refused_total", tenant=chunk.tenant)
        minute = chunk.time_ms // 60_000.0
        if minute == track.told_minute:
            return
        track.told_minute = minute
        bad = BadRecord("admission", self._admission.remedy(chunk.tenant))
        self.metrics.count("roomwarden_dead_letters_total", stage=self.name, reason=bad.reason)
        await self.dead_letters.refuse(slot.event, bad)

    def lag_s(self, now_s: float) -> float:
        """Age of the latest chunk when it was read (s): the oldest unfinished one waits for its utterance to end."""
        del now_s
        return self._read_age_s if self.window.outstanding else 0.0

    async def pump(self) -> None:
        """Step the engine at most every STEP_S while chunks come, and at a slow beat for its timers."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), 0.1)
            self._wake.clear()
            own = sum(name == CHUNKS.name for name, _ in self.partitions())
            self._admission.share = own / self.settings.partitions or 1.0
            if self.engine is None:
                continue
            taken, self._backlog = self._backlog, 0
            outputs = await loop.run_in_executor(self._executor, self.engine.step, time.monotonic() * 1000.0)
            if outputs:
                await self._publish_outputs(outputs)
            if time.monotonic() - self._swept_at > SWEEP_S:
                self._sweep(time.time() * 1000.0)
            if self.engine.busy and not 0 < self._backlog < FULL_CHUNKS:
                self._wake.set()  # catching up: more windows of the same tracks are due, or a batch is full
            elif taken:
                await asyncio.sleep(STEP_S)

    async def revoked(self, partitions: set[Partition]) -> None:
        """Drop the tracks of partitions that went away, before they are read again by whoever gets them."""
        gone = [key for key, track in self._tracks.items() if track.partition in partitions]
        for key in gone:
            del self._tracks[key]
        self._admission.forget(number for _, number in partitions)
        # A finished slot never goes stale: forget it here, or the sweep would write to another worker's partition.
        self._latest = {n: slot for n, slot in self._latest.items() if slot.partition not in partitions}
        if self.engine is not None:
            await asyncio.get_running_loop().run_in_executor(self._executor, self.engine.forget, gone)

    async def _publish_outputs(self, outputs: list[Output]) -> None:
        now_ms = time.time() * 1000.0
        known = [(output, self._tracks[output.track]) for output in outputs if output.track in self._tracks]
        outgoing: list[records.Record] = []
        causes: dict[str, Slot] = {}
        for output, track in known:
            if output.marked:
                track.label = strongest((track.label, "suspected"))
        for output, track in known:
            if isinstance(output, Utterance):
                cut = self._utterance(output, track, now_ms)
                causes[cut[0].utterance_id] = track.slot
                outgoing.extend(cut)
            elif isinstance(output, Span):
                outgoing.append(self._coverage(track, output, output.kind, output.reason, output.start_ms))
        await self.publish(outgoing, causes)
        for output, track in known:
            if isinstance(output, Utterance):
                self.observe_latency(output.end_ms, output.final)
            if output.position is not None and self._tracks.get(output.track) is track:
                at = output.position
                saved = _Saved(at.sequence, at.sample, at.overlap, at.time_ms, now_ms, track.partition[1])
                self._positions.put(track.slot.event, output.track, msgspec.json.encode(saved))
            if isinstance(output, Rejected):
                token = output.token
                assert isinstance(token, Slot)  # noqa: S101  # we gave it
                await self.bury(token, BadRecord(cast("BadReason", output.reason), output.detail))
            for token in output.released:
                assert isinstance(token, Slot)  # noqa: S101  # we gave it
                self.window.finish(token)

    def _utterance(self, output: Utterance, track: _Track, now_ms: float) -> list[records.Utterance | records.Coverage]:
        identity = utterance_id(
            track.tenant, track.session, track.speaker, output.utterance_sequence, output.utterance_sample
        )
        utterance = records.Utterance(
            utterance_id=identity,
            revision=output.revision,
            final=output.final,
            tenant=track.tenant,
            room=track.room,
            speaker=track.speaker,
            session=track.session,
            start_ms=output.start_ms,
            end_ms=output.end_ms,
            overlap_ms=output.overlap_ms,
            accounted_ms=output.accounted / SAMPLES_PER_MS,
            speech_ms=output.speech_ms,
            first_sequence=output.first_sequence,
            last_sequence=output.last_sequence,
            cause=output.cause,
            declared_synthetic=bool(track.status),
            segmented_ms=now_ms,
            audio=output.samples.tobytes(),
            synthetic_status=track.status,
        )
        if not output.final:
            return [utterance]
        begin_ms = output.start_ms + output.overlap_ms
        return [utterance, self._coverage(track, output, "speech", output.cause, begin_ms, identity)]

    def _coverage(
        self, track: _Track, output: Utterance | Span, kind: str, reason: str, begin_ms: float, utterance: str = ""
    ) -> records.Coverage:
        milliseconds = output.accounted / SAMPLES_PER_MS
        self.metrics.count("roomwarden_audio_seconds_total", milliseconds / 1000.0, stage=self.name, kind=kind)
        if kind == "lost":
            self.metrics.count("roomwarden_lost_seconds_total", milliseconds / 1000.0, stage=self.name, reason=reason)
        interval = (kind, reason, begin_ms, output.end_ms, utterance)
        return records.Coverage(
            coverage_id=coverage_id("segment", track.tenant, track.session, track.speaker, *interval),
            stage="segment",
            kind=kind,  # type: ignore[arg-type]  # the engine's vocabulary is a part of the record's
            tenant=track.tenant,
            room=track.room,
            speaker=track.speaker,
            session=track.session,
            start_ms=begin_ms,
            end_ms=output.end_ms,
            milliseconds=milliseconds,
            reason=reason,
            utterance_id=utterance,
        )

    def _sweep(self, now_ms: float) -> None:
        """Drop quiet tracks, and positions of tracks that ended long ago, so that neither grows without bound."""
        self._swept_at = time.monotonic()
        for key in [key for key, track in self._tracks.items() if _is_quiet(track, self._swept_at)]:
            del self._tracks[key]
        for key, value in self._positions.items():
            saved = msgspec.json.decode(value, type=_Saved)
            slot = self._latest.get(saved.partition)
            old = now_ms - saved.saved_ms > FORGET_AFTER_MS
            if old and key not in self._tracks and slot is not None:
                self._positions.drop(slot.event, key)

    def _check_clock(self, captured_ms: float, received_s: float | None) -> None:
        """Capture time must lie near the time at which Kafka got the record (not now: replays are old)."""
        if not received_s:
            return
        skew = captured_ms - received_s * 1000.0
        if abs(skew) > self.settings.max_clock_skew_ms:
            raise BadRecord(
                "clock-skew",
                f"ce_time is {skew / 1000.0:+.0f} s from the record's Kafka timestamp; set the sender's clock",
            )

    def _engine(self) -> SegmentEngine:
        if self.engine is None:
            raise RuntimeError("segment reads before its engine is loaded")
        return self.engine


def for_engine(chunk: records.Chunk, track: str, token: object, *, refused: bool = False) -> Chunk:
    """What the segment engine needs of a chunk; it gives ``token`` back when it is done with it."""
    return Chunk(
        track=track,
        sequence=chunk.sequence,
        time_ms=chunk.time_ms,
        duration_ms=chunk.duration_ms,
        content_type=chunk.content_type,
        payload=b"" if refused else chunk.audio,
        last=chunk.last,
        token=token,
        refused=refused,
    )


def _label(chunk: records.Chunk) -> Status:
    """What the metadata of a chunk's container state; bare samples and packets have none."""
    bare = chunk.content_type.lower().startswith(("audio/pcm", "audio/l16", "audio/opus"))
    return "" if bare else of_bytes(chunk.audio)


def _is_quiet(track: _Track, now_s: float) -> bool:
    """Without chunks for long, and with nothing unacknowledged: whatever the engine held of it is out."""
    return track.slot.finished and now_s - track.fed_s > RESUME_AFTER_S
