"""Spans by OpenTelemetry, set up at the first request of a process where TRACES=on; otherwise never imported.

Cloud Run takes the processor away once a reply is sent, so a request that is recorded sends its spans before that: it
waits for them, but no longer than FLUSH_S, and not at all while the receiver fails. A span holds no personal data:
neither addresses nor paths with ids in them, and of an error its code alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from common import log
from common.config import config
from common.errors import problem_of
from common.tracing import TraceContext, log_fields, parsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer
    from requests import Session
    from starlette.responses import Response

    from common.tracing import Delivery

FLUSH_S: Final = 0.2
EXPORT_S: Final = 2.0
GOOGLE: Final = "https://telemetry.googleapis.com"
APPEND_SCOPE: Final = "https://www.googleapis.com/auth/trace.append"


class Exporter(SpanExporter):
    """Sends spans by OTLP over HTTP. A receiver that fails loses them, and is complained of once."""

    def __init__(self, endpoint: str) -> None:
        # It would write each failure in a form of its own.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._endpoint = endpoint
        self._otlp: OTLPSpanExporter | None = None
        self._complained = False
        self.failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        why = "not accepted"
        try:
            # Opened here, beside the request: finding credentials may take a call.
            self._otlp = self._otlp or _opened(self._endpoint)
            result = self._otlp.export(spans)
        except Exception as failure:  # whatever it is, no request fails by it
            result, why = SpanExportResult.FAILURE, repr(failure)
        self.failing = result is not SpanExportResult.SUCCESS
        if self.failing and not self._complained:
            self._complained = True
            log.warning("spans are lost", endpoint=self._endpoint, why=why)
        return result

    def shutdown(self) -> None:
        if self._otlp is not None:
            self._otlp.shutdown()


def _opened(endpoint: str) -> OTLPSpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint, timeout=EXPORT_S, session=_session(endpoint))


def _session(endpoint: str) -> Session:
    import requests

    if endpoint.startswith(GOOGLE):
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        credentials, _ = google.auth.default(scopes=[APPEND_SCOPE])
        return AuthorizedSession(credentials)
    session = requests.Session()
    session.trust_env = False
    return session


class Outgoing(BatchSpanProcessor):
    """The library's batches, which also know whether anything waits in them."""

    waiting = False

    def on_end(self, span: ReadableSpan) -> None:
        super().on_end(span)
        self.waiting = True

    def force_flush(self, timeout_millis: int | None = None) -> bool:
        self.waiting = False
        return super().force_flush(timeout_millis)


@dataclass(frozen=True)
class Recorder:
    """What a process records with."""

    tracer: Tracer
    exporter: Exporter
    outgoing: Outgoing
    provider: TracerProvider


@cache
def recorder() -> Recorder:
    """The recorder of this process; from now on remote procedure calls are watched too."""
    from common import rpc_spans

    ratio = TraceIdRatioBased(config().trace_ratio)
    resource = {
        "service.name": os.environ.get("K_SERVICE", "marquee"),
        "service.version": os.environ.get("K_REVISION", "local"),
        "cloud.provider": "gcp",
        "cloud.region": config().location,
        "gcp.project_id": config().project,
    }
    # Whoever caused a call has decided for it; what comes from elsewhere is decided here (_elsewhere clears its flag).
    provider = TracerProvider(
        sampler=ParentBased(ratio, remote_parent_not_sampled=ratio), resource=Resource(resource), shutdown_on_exit=True
    )
    exporter = Exporter(config().trace_endpoint)
    outgoing = Outgoing(exporter)
    provider.add_span_processor(outgoing)
    tracer = provider.get_tracer("marquee")
    rpc_spans.watch(tracer)
    return Recorder(tracer, exporter, outgoing, provider)


def close() -> None:
    """Send what is left and forget the recorder: the next request begins anew."""
    from common import rpc_spans

    if recorder.cache_info().currsize:
        recorder().provider.shutdown()
        rpc_spans.unwatch()
        recorder.cache_clear()


def traceparent() -> str | None:
    """The present span, None unless it is being recorded."""
    present = _present()
    return str(present) if present is not None and present.sampled else None


async def served(
    name: str,
    route: str,
    method: str,
    platform: TraceContext | None,
    serve: Callable[[], Awaitable[Response]],
) -> Response:
    """A request from outside: in the trace that the platform names, recorded by our own ratio."""
    attributes = {"http.request.method": method, "http.route": route, "url.scheme": "https"}
    try:
        with _span(name, SpanKind.SERVER, _elsewhere(platform), attributes) as span:
            log.bind(**log_fields(_context_of(span)))
            response = await serve()
            span.set_attribute("http.response.status_code", response.status_code)
            return response
    finally:
        await _flush()


async def consumed(
    name: str, delivery: Delivery, platform: TraceContext | None, work: Callable[[], Awaitable[None]]
) -> None:
    """A job: in the trace of whoever caused it, or else in the platform's."""
    cause = parsed(delivery.traceparent)
    attributes = {
        "messaging.system": delivery.system,
        "messaging.destination.name": delivery.source,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
    }
    parent = _within(cause) if cause is not None else _elsewhere(platform)
    try:
        with _span(name, SpanKind.CONSUMER, parent, attributes) as span:
            log.bind(**log_fields(_context_of(span)))
            await work()
    finally:
        await _flush()


@contextmanager
def continued(cause: TraceContext, name: str) -> Iterator[None]:
    """A span in the trace of what caused it; the request that found the cause written down is linked."""
    present = _present()
    links = [Link(_otel(present))] if present is not None and present.trace_id != cause.trace_id else []
    with (
        _span(name, SpanKind.INTERNAL, _within(cause), {}, links) as span,
        log.within(**log_fields(_context_of(span))),
    ):
        yield


@contextmanager
def produced(system: str, destination: str) -> Iterator[str | None]:
    """A span for something that is sent on, and the traceparent to send with it."""
    attributes = {
        "messaging.system": system,
        "messaging.destination.name": destination,
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
    }
    with _span(f"send {destination}", SpanKind.PRODUCER, None, attributes):
        yield traceparent()


@contextmanager
def _span(
    name: str,
    kind: SpanKind,
    parent: Context | None,
    attributes: Mapping[str, str],
    links: Sequence[Link] = (),
) -> Iterator[Span]:
    with recorder().tracer.start_as_current_span(
        name,
        parent,
        kind,
        attributes,
        links,
        # A message or a stack may say who it was about: both are in the log, with such things left out.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as failure:
            problem = problem_of(failure)
            span.set_attribute("error.type", problem.code)
            if kind is SpanKind.SERVER:
                span.set_attribute("http.response.status_code", problem.status)
            # A refusal is an answer.
            if kind is not SpanKind.SERVER or problem.status >= 500:
                span.set_status(StatusCode.ERROR, problem.code)
            raise


def _elsewhere(context: TraceContext | None) -> Context:
    """The parent that a request from outside has. Whether it was sampled there says nothing here."""
    if context is None or not context.span_id:
        return Context()
    return _within(TraceContext(context.trace_id, context.span_id, sampled=False))


def _within(context: TraceContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(_otel(context)), Context())


def _otel(context: TraceContext) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(context.trace_id, 16), int(context.span_id, 16), is_remote=True, trace_flags=flags)


def _context_of(span: Span) -> TraceContext:
    context = span.get_span_context()
    return TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)


def _present() -> TraceContext | None:
    span = trace.get_current_span()
    return _context_of(span) if span.get_span_context().is_valid else None


async def _flush() -> None:
    """Send what was recorded while there is a processor to do it; what takes longer goes on beside the next request."""
    outgoing = recorder().outgoing
    if not outgoing.waiting or recorder().exporter.failing:
        return
    sending = asyncio.ensure_future(asyncio.to_thread(outgoing.force_flush))
    await asyncio.wait({sending}, timeout=FLUSH_S)
