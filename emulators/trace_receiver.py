"""The stand-in for Cloud Trace: takes spans by OTLP over HTTP, and shows each trace as a tree."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

Span = dict[str, Any]
TRACES_KEPT: Final = 500
KINDS: Final = ("", "internal", "server", "client", "producer", "consumer")
FAILED: Final = 2


class TraceReceiver:
    """The latest traces, each with its spans by their ids: a batch that comes twice counts once."""

    def __init__(self) -> None:
        self._traces: OrderedDict[str, dict[str, Span]] = OrderedDict()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/traces", self._take, methods=["POST"]),
            Route("/traces", self._list),
            Route("/traces/{trace_id}", self._show),
        ]

    async def _take(self, request: Request) -> Response:
        batch = ExportTraceServiceRequest.FromString(await request.body())
        for span in (each for of in batch.resource_spans for scope in of.scope_spans for each in scope.spans):
            trace_id = span.trace_id.hex()
            self._traces.setdefault(trace_id, {})[span.span_id.hex()] = _read(span)
            self._traces.move_to_end(trace_id)
        while len(self._traces) > TRACES_KEPT:
            self._traces.popitem(last=False)
        return Response(ExportTraceServiceResponse().SerializeToString(), media_type="application/x-protobuf")

    async def _list(self, _: Request) -> Response:
        lines = (f"/traces/{trace_id}  {_title(list(spans.values()))}" for trace_id, spans in self._traces.items())
        return PlainTextResponse("\n".join(reversed(list(lines))) + "\n")

    async def _show(self, request: Request) -> Response:
        spans = list(self._traces.get(request.path_params["trace_id"], {}).values())
        if request.headers.get("accept") == "application/json":
            return JSONResponse({"spans": spans})
        return PlainTextResponse("\n".join(tree(spans)) + "\n", 200 if spans else 404)


def tree(spans: list[Span]) -> list[str]:
    """One line a span, below the span that it is part of, in the order in which they began."""
    known = {span["spanId"] for span in spans}
    began = min((span["start"] for span in spans), default=0)

    def below(parent: str | None, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda span: span["start"]):
            if (span["parentSpanId"] if span["parentSpanId"] in known else None) == parent:
                at, took = (span["start"] - began) / 1e6, (span["end"] - span["start"]) / 1e6
                error = f"  {span['attributes'].get('error.type', '')}".rstrip()
                yield f"{at:9.1f} ms {took:8.1f} ms  {'  ' * depth}{span['name']}  {span['kind']}{error}"
                yield from below(span["spanId"], depth + 1)

    return list(below(None, 0))


def _title(spans: list[Span]) -> str:
    first = min(spans, key=lambda span: span["start"])
    return f"{first['name']}, {len(spans)} spans"


def _read(span: Any) -> Span:
    return {
        "name": span.name,
        "kind": KINDS[span.kind],
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex() or None,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": {each.key: _value(each.value) for each in span.attributes},
        "events": [event.name for event in span.events],
        "links": [link.trace_id.hex() for link in span.links],
        "failed": span.status.code == FAILED,
    }


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
