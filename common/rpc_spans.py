"""A span for each remote procedure call of a channel: what the request in whose trace it lies waited for.

The library that would do this (opentelemetry-instrumentation-grpc) is not used, because google-api-core imports it
wherever it is installed: every function would load it, with traces or without (docs/decisions/0023-traces.md).
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

import grpc.aio
from grpc import StatusCode as GrpcStatus
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from opentelemetry.trace import Span, Tracer

OPENERS: Final = ("insecure_channel", "secure_channel")
_unwatched: Final[dict[str, Callable[..., Any]]] = {}


def watch(tracer: Tracer) -> None:
    """From now on channels are opened with spans for their calls."""
    interceptors = [_UnaryCalls(tracer), _StreamedCalls(tracer)]
    for name in OPENERS:
        _unwatched[name] = getattr(grpc.aio, name)
        setattr(grpc.aio, name, functools.partial(_opened, _unwatched[name], interceptors))


def unwatch() -> None:
    """From now on they are opened without; those that are open stay as they are."""
    while _unwatched:
        setattr(grpc.aio, *_unwatched.popitem())


def _opened(opener: Callable[..., Any], spans: list[Any], target: str, *arguments: Any, **options: Any) -> Any:
    own = options.pop("interceptors", None) or []
    return opener(target, *arguments, interceptors=[*spans, *own], **options)


class _Spans:
    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def _begin(self, method: str | bytes) -> Span:
        name = (method.decode() if isinstance(method, bytes) else method).removeprefix("/")
        attributes = {"rpc.system.name": "grpc", "rpc.method": name}
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)


class _UnaryCalls(_Spans, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        if not trace.get_current_span().is_recording():
            return await continuation(client_call_details, request)
        span = self._begin(client_call_details.method)
        try:
            call = await continuation(client_call_details, request)
            try:
                _end(span, await call.code())
            except asyncio.CancelledError:
                call.cancel()
                raise
            return call
        finally:
            span.end()


class _StreamedCalls(_Spans, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        call = await continuation(client_call_details, request)
        if not trace.get_current_span().is_recording():
            return call
        return self._until_the_end(call, self._begin(client_call_details.method))

    async def _until_the_end(self, call: Any, span: Span) -> AsyncIterator[Any]:
        try:
            async for response in call:
                yield response
            _end(span, GrpcStatus.OK)
        except grpc.aio.AioRpcError as failure:
            _end(span, failure.code())
            raise
        finally:
            span.end()


def _end(span: Span, status: GrpcStatus) -> None:
    span.set_attribute("rpc.response.status_code", status.name)
    if status is not GrpcStatus.OK:
        span.set_attribute("error.type", status.name)
        span.set_status(StatusCode.ERROR, status.name)
