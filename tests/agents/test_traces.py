"""One trace from the chunk to the takedown: by a stand-in, and by OpenTelemetry itself where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agents.judge import Judging
from agents.listen import Listen
from agents.segment import Segment
from agents.stage import Stage
from agents.worker import Worker
from deploy.cli import main
from deploy.cli_worker import _tracing
from streams import records
from streams.breaks import Place
from streams.chain import link_of
from streams.codec import Message, encode
from streams.delivery import Slot
from streams.envelope import Headers
from streams.metrics import Metrics
from streams.settings import Settings
from streams.tracing import Causes, OpenTelemetryTracer, Span, Tracer, TracingMissing, open_tracer
from streams.verification import Verifier
from tests.support import samples
from tests.support.fakes import ScriptedEngine, ScriptedJudge, ScriptedRecogniser
from tests.support.kafka import Produced
from tests.support.samples import T0_MS
from tests.support.stages import running

INSTALLED = importlib.util.find_spec("opentelemetry") is not None
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AT = T0_MS / 1000.0


@dataclass
class _Noted:
    """A span of the stand-in."""

    stage: str
    utterance: str
    parent: str
    headers: Headers
    ended: bool = False

    def end(self) -> None:
        self.ended = True


@dataclass
class StandIn(Tracer):
    """Numbers its spans, and goes on from what the causing record carried."""

    noted: list[_Noted] = field(default_factory=list)

    def spans(self, stage: str, outgoing: Sequence[records.Record], causes: Causes) -> Mapping[str, Span]:
        about = dict.fromkeys(getattr(record, "utterance_id", "") for record in outgoing)
        found = {}
        for name in about:
            cause = causes if isinstance(causes, Slot) else causes.get(name)
            if name and cause is not None:
                parent = dict(cause.event.message.headers).get("ce_traceparent", b"").decode()
                trace = parent[3:35] or "f" * 32
                context = f"00-{trace}-{len(self.noted):016x}-01".encode()
                found[name] = _Noted(stage, name, parent, [("ce_traceparent", context)])
                self.noted.append(found[name])
        return found


def stages(tmp_path: Path, tracer: Tracer) -> tuple[Stage, Stage, Stage]:
    settings = Settings(
        state_dir=tmp_path,
        group_prefix="rw",
        batch_wait_ms=0,
        replicas=1,
        synthetic=False,
        sounds=False,
        word_times=False,
    )
    segment = Segment(settings, Metrics(), ScriptedEngine())  # type: ignore[arg-type]  # scripted
    listen = Listen(settings, Metrics(), ScriptedRecogniser())
    judge = Judging(settings, Metrics(), ScriptedJudge())  # type: ignore[arg-type]  # scripted
    for stage in (segment, listen, judge):
        stage.tracer = tracer
    return segment, listen, judge


async def passed(stage: Stage, *given: Message) -> list[Produced]:
    """What a stage makes of some messages."""
    async with running(stage) as run:
        for message in given:
            await run.put(message, timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
        return list(run.producer.sent)


def spoken(traceparent: str = "") -> list[Message]:
    """Chunks of an offence."""
    out = []
    for number, command in enumerate(["say:加我微信", "partial", "end"]):
        chunk = samples.chunk(sequence=number, time_ms=T0_MS + 100.0 * number, audio=command.encode())
        message = encode(chunk)
        added = [("ce_traceparent", traceparent.encode())] if traceparent else []
        out.append(replace(message, headers=message.headers + added))
    return out


def of(sent: list[Produced], topic: str) -> list[Message]:
    return [Message(p.topic, p.key or b"", p.value, p.headers) for p in sent if p.topic == topic]


async def through(tmp_path: Path, tracer: Tracer, chunks: list[Message]) -> dict[str, list[Message]]:
    """Everything published on the way of some chunks."""
    segment, listen, judge = stages(tmp_path, tracer)
    cut = await passed(segment, *chunks)
    heard = await passed(listen, *of(cut, "voice.utterances"))
    judged = await passed(judge, *of(heard, "voice.findings"))
    everything = [*cut, *heard, *judged]
    return {topic: of(everything, topic) for topic in {p.topic for p in everything}}


def context(message: Message) -> str:
    return dict(message.headers)["ce_traceparent"].decode()


def test_off_nothing_is_traced() -> None:
    assert open_tracer(False).spans("judge", [samples.takedown()], {}) == {}


async def test_off_no_header_is_added(tmp_path: Path) -> None:
    sent = await through(tmp_path, Tracer(), spoken())
    assert sent["moderation.takedowns"]
    assert not any("traceparent" in name for messages in sent.values() for m in messages for name, _ in m.headers)


async def test_each_stage_goes_on_from_the_record_that_it_read(tmp_path: Path) -> None:
    tracer = StandIn()
    sent = await through(tmp_path, tracer, spoken(GIVEN))
    assert {span.stage for span in tracer.noted} == {"segment", "listen", "judge"}
    assert all(span.ended for span in tracer.noted)
    assert {span.parent for span in tracer.noted if span.stage == "segment"} == {GIVEN}
    for stage, topic in (("listen", "voice.utterances"), ("judge", "voice.findings")):
        parents = {span.parent for span in tracer.noted if span.stage == stage}
        assert parents <= {context(message) for message in sent[topic]}
    assert {context(m)[:35] for topic in sent for m in sent[topic] if topic != "voice.coverage"} == {GIVEN[:35]}


async def test_what_is_traced_is_sealed_with_its_context(tmp_path: Path) -> None:
    sent = await through(tmp_path, StandIn(), spoken(GIVEN))
    verifier = Verifier()
    for topic in ("moderation.decisions", "moderation.takedowns"):
        for offset, message in enumerate(sent[topic]):
            assert link_of(message) is not None
            verifier.feed(message, Place(topic, 0, offset), 0.0)
    assert [report.breaks for report in verifier.reports()] == [[], []]


def test_a_missing_extra_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("opentelemetry", *[name for name in sys.modules if name.startswith("opentelemetry.")]):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TracingMissing, match=r"pip install 'roomwarden\[otel\]'"):
        Worker(Settings(state_dir=tmp_path, tracing=True), ["judge"])
    monkeypatch.setattr("streams.admin.apply_topics", _nothing)
    monkeypatch.setattr("sys.argv", ["roomwarden", "worker", "judge"])
    monkeypatch.setenv("ROOMWARDEN_TRACING", "true")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "tracing needs OpenTelemetry" in capsys.readouterr().err
    check = _tracing()
    assert (check["ok"], check["needed"]) == (False, True)


async def _nothing(*_: object) -> None:
    """Topics are there."""


if INSTALLED:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

needs_sdk = pytest.mark.skipif(not INSTALLED, reason="OpenTelemetry is not installed (extra otel)")


@pytest.fixture
def exported() -> Iterator[Any]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@needs_sdk
async def test_opentelemetry_goes_on_from_the_chunks_trace(tmp_path: Path, exported: Any) -> None:
    sent = await through(tmp_path, OpenTelemetryTracer(exported), spoken(GIVEN))
    spans = exported.get_finished_spans()
    assert {span.name for span in spans} == {"segment", "listen", "judge"}
    assert {f"{span.context.trace_id:032x}" for span in spans} == {GIVEN[3:35]}
    first = next(span for span in spans if span.name == "segment")
    assert f"{first.parent.span_id:016x}" == GIVEN[36:52]
    by_id = {f"{span.context.span_id:016x}": span for span in spans}
    for span in spans:
        if span.name != "segment":
            above = {"listen": "segment", "judge": "listen"}[span.name]
            assert by_id[f"{span.parent.span_id:016x}"].name == above
        assert span.start_time <= span.end_time
    for takedown in sent["moderation.takedowns"]:
        headers = dict(takedown.headers)
        assert headers["ce_traceparent"] == headers["traceparent"]
        assert by_id[context(takedown)[36:52]].name == "judge"


@needs_sdk
async def test_opentelemetry_computes_the_trace_of_an_utterance(tmp_path: Path, exported: Any) -> None:
    tracer = OpenTelemetryTracer(exported)
    first = await through(tmp_path, tracer, spoken())
    again = await through(tmp_path, tracer, spoken())
    spans = exported.get_finished_spans()
    assert len({span.context.trace_id for span in spans}) == 1  # revisions, and what is delivered again
    assert len({span.context.span_id for span in spans}) == len(spans)
    assert all(span.parent is None for span in spans if span.name == "segment")
    assert context(first["moderation.takedowns"][0])[:35] == context(again["moderation.takedowns"][0])[:35]
    broken = await through(tmp_path, tracer, spoken("00-nonsense"))
    assert context(broken["moderation.takedowns"][0])[:35] == context(first["moderation.takedowns"][0])[:35]


@needs_sdk
async def test_opentelemetry_spans_hold_no_words_and_no_speakers(tmp_path: Path, exported: Any) -> None:
    await through(tmp_path, OpenTelemetryTracer(exported), spoken())
    spans = exported.get_finished_spans()
    said = " ".join(str(dict(span.attributes)) for span in spans)
    assert "微信" not in said
    assert "seller" not in said
    judged = next(span for span in spans if span.name == "judge")
    assert dict(judged.attributes) | {"roomwarden.utterance_id": ""} == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "voice.findings",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": judged.attributes["messaging.kafka.offset"],
        "roomwarden.utterance_id": "",
        "roomwarden.tenant": "demo",
        "roomwarden.revision": judged.attributes["roomwarden.revision"],
        "roomwarden.categories": ("ads/contact/off-platform",),
        "roomwarden.actions": ("warn",),
    }


@needs_sdk
def test_opentelemetry_closes_though_no_collector_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracer = open_tracer(True)
    slot = Slot(_Event(), ("voice.findings", 0), 3, 0.0)
    spans = tracer.spans("judge", [samples.takedown()], slot)
    for span in spans.values():
        span.end()
    assert spans
    tracer.close()


class _Event:
    message = type("Message", (), {"topic": "", "partition": 0, "offset": -1})()

    def ack(self) -> bool:
        return True
