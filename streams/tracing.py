"""Traces through Kafka: one span for what a stage made of a record, from its receipt to the broker's confirmation.

The context travels as W3C Trace Context in the headers ``ce_traceparent`` and ``ce_tracestate`` (CloudEvents for
distributed tracing), and in ``traceparent`` and ``tracestate``, which OpenTelemetry's Kafka instrumentations read.
Where a chunk brings none, the trace id is computed from the utterance: its revisions, and a record that is delivered
again, belong to one trace. Attributes hold no words and no names of speakers.

Off, the tracer of this module does nothing. On (``ROOMWARDEN_TRACING``), spans go where OpenTelemetry's own variables
say: ``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``, ``OTEL_SERVICE_NAME``…
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from streams import records
from streams.delivery import Slot
from streams.envelope import Headers

CLOSING_S = 3.0
"""At most so long a stopping worker waits until its last spans are exported."""


Causes = Slot | Mapping[str, Slot]
"""The received record that led to everything that is published, or those that did by utterance id."""
NO_CAUSES: Mapping[str, Slot] = {}


class TracingMissing(RuntimeError):
    """Tracing is asked for and not installed; the text says how to."""


class Span(Protocol):
    """One span that is under way: what it adds to a record's headers."""

    headers: Headers

    def end(self) -> None:
        """It is over."""


class Tracer:
    """Traces nothing."""

    def spans(self, stage: str, outgoing: Sequence[records.Record], causes: Causes) -> Mapping[str, Span]:
        """Begin a span for each utterance that is published about, by id."""
        del stage, outgoing, causes
        return {}

    def close(self) -> None:
        """Export what is left."""


class OpenTelemetryTracer(Tracer):
    """Spans by the OpenTelemetry SDK; ``exporter`` (a SpanExporter) takes them one by one, else OTLP over HTTP."""

    def __init__(self, exporter: Any = None) -> None:
        try:
            from opentelemetry.context import Context
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
            from opentelemetry.trace import SpanKind
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

            if exporter is None:
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

                processor = BatchSpanProcessor(OTLPSpanExporter())
            else:
                processor = SimpleSpanProcessor(exporter)
        except ImportError:
            raise TracingMissing(
                "tracing needs OpenTelemetry: pip install 'roomwarden[otel]', or unset ROOMWARDEN_TRACING"
            ) from None
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "roomwarden"}
        self._ids = _ids()
        self._provider = TracerProvider(resource=Resource.create(named), id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("roomwarden")
        self._propagator = TraceContextTextMapPropagator()
        self._root = Context()
        self._kind = SpanKind.CONSUMER

    def spans(self, stage: str, outgoing: Sequence[records.Record], causes: Causes) -> Mapping[str, Span]:
        """One for each utterance that something is published about."""
        attributes: dict[str, dict[str, Any]] = {}
        for record in outgoing:
            utterance = getattr(record, "utterance_id", "")
            if utterance and (isinstance(causes, Slot) or utterance in causes):
                _add(attributes.setdefault(utterance, {}), record)
        return {
            name: self._begin(stage, name, causes if isinstance(causes, Slot) else causes[name], added)
            for name, added in attributes.items()
        }

    def close(self) -> None:
        """Export what is left, within ``CLOSING_S``; a collector that does not answer holds nothing up."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSING_S)

    def _begin(self, stage: str, utterance: str, cause: Slot, attributes: Mapping[str, Any]) -> Span:
        message = cause.event.message
        parent = self._propagator.extract(_carried(message), context=self._root)
        self._ids.next_trace = int.from_bytes(hashlib.sha256(utterance.encode()).digest()[:16], "big")
        received_s = time.time() - max(0.0, time.monotonic() - cause.opened_at)
        span = self._tracer.start_span(
            stage,
            context=parent,
            kind=self._kind,
            start_time=int(received_s * 1e9),
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": message.topic or "(timer)",
                "messaging.destination.partition.id": str(message.partition),
                "messaging.kafka.offset": message.offset,
                "roomwarden.utterance_id": utterance,
                **attributes,
            },
        )
        return _Open(span, self._propagator)


class _Open:
    """A span of the SDK that is under way."""

    def __init__(self, span: Any, propagator: Any) -> None:
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        propagator.inject(carrier, context=set_span_in_context(span))
        self._span = span
        self.headers: Headers = [(f"ce_{name}", value.encode()) for name, value in carrier.items()]
        self.headers += [(name, value.encode()) for name, value in carrier.items()]

    def end(self) -> None:
        """It is over."""
        self._span.end()


def open_tracer(on: bool) -> Tracer:
    """The tracer of a worker.

    Raises:
        TracingMissing: when it is asked for and OpenTelemetry is not installed.
    """
    return OpenTelemetryTracer() if on else Tracer()


def _ids() -> Any:
    """Random ids, but for the trace id that ``next_trace`` names."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):  # type: ignore[misc]  # the package is optional, and untyped where it is missing
        next_trace = 0

        def generate_trace_id(self) -> int:
            return self.next_trace or int(super().generate_trace_id())

    return Ids()


def _carried(message: Any) -> dict[str, str]:
    """Trace context of a received message; the transport's own headers before those of the event."""
    found: dict[str, str] = {}
    headers = getattr(message, "headers", None) or ()
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        plain = name.removeprefix("ce_")
        if plain in ("traceparent", "tracestate") and (plain == name or plain not in found):
            found[plain] = value if isinstance(value, str) else (value or b"").decode("ascii", "replace")
    return found


def _add(attributes: dict[str, Any], record: records.Record) -> None:
    """What a span says of a record: neither words nor speakers."""
    match record:
        case records.Utterance():
            attributes["roomwarden.tenant"] = record.tenant
            attributes["roomwarden.revision"] = record.revision
            attributes["roomwarden.final"] = record.final
            attributes["roomwarden.cause"] = record.cause
        case records.Finding():
            attributes["roomwarden.tenant"] = record.tenant
            attributes["roomwarden.revision"] = record.revision
            attributes["roomwarden.final"] = record.final
            attributes["roomwarden.degraded"] = record.degraded
        case records.Risk():
            attributes["roomwarden.tenant"] = record.tenant
            attributes["roomwarden.revision"] = record.revision
            attributes["roomwarden.categories"] = [*attributes.get("roomwarden.categories", ()), record.category]
        case records.Takedown():
            attributes["roomwarden.tenant"] = record.target.tenant
            attributes["roomwarden.actions"] = [*attributes.get("roomwarden.actions", ()), record.action]
