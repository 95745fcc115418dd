"""One trace through everything that a request sets off. Off, which is the default, it loads nothing and writes nothing.

A call of ours is followed by two names: the `traceparent` of W3C Trace Context, which Cloud Run replaces on the way in
(it keeps the trace, and puts its own span and its own sampling in place of ours), and HEADER, which it leaves alone.
Only private functions read HEADER: what a stranger sends may name a trace but not decide that it is recorded.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from common.config import config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractContextManager

    from starlette.responses import Response

HEADER: Final = "X-Marquee-Traceparent"
# Of a Pub/Sub message: the push has it in its body, where nothing changes it.
ATTRIBUTE: Final = "traceparent"
TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# Google's older header has the span as a decimal number.
CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(?:/(\d{1,20})(?:;o=(\d))?)?")


@dataclass(frozen=True)
class TraceContext:
    """Which span of which trace; the span is empty where only the trace is known."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}"


@dataclass(frozen=True)
class Delivery:
    """How a job was called: by which system, from where, and the traceparent that whoever caused it left there."""

    system: str
    source: str
    traceparent: str | None


def is_on() -> bool:
    return config().traces == "on"


def incoming(headers: Mapping[str, str]) -> TraceContext | None:
    """What the platform says of a request's trace."""
    standard = parsed(headers.get("traceparent"))
    if standard is not None:
        return standard
    found = CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", ""))
    if found is None:
        return None
    return TraceContext(found[1], f"{int(found[2]) % 2**64:016x}" if found[2] else "", found[3] == "1")


def parsed(traceparent: str | None) -> TraceContext | None:
    """A traceparent as it is read; None for what is none."""
    found = TRACEPARENT.fullmatch(traceparent or "")
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return None
    return TraceContext(found[1], found[2], bool(int(found[3], 16) & 1))


def log_fields(context: TraceContext | None) -> dict[str, object]:
    """By these Cloud Logging shows a line with its trace."""
    if context is None:
        return {}
    fields: dict[str, object] = {
        "logging.googleapis.com/trace": f"projects/{config().project}/traces/{context.trace_id}",
        "logging.googleapis.com/trace_sampled": context.sampled,
    }
    return fields | ({"logging.googleapis.com/spanId": context.span_id} if context.span_id else {})


def traceparent() -> str | None:
    """What a commit leaves for whatever it sets off: the present span, None unless it is being recorded."""
    if not is_on():
        return None
    from common import spans

    return spans.traceparent()


async def served(
    name: str, route: str, method: str, headers: Mapping[str, str], serve: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer a request within a span of its own."""
    if not is_on():
        return await serve()
    from common import spans

    return await spans.served(name, route, method, incoming(headers), serve)


async def consumed(
    name: str, delivery: Delivery, headers: Mapping[str, str], work: Callable[[], Awaitable[None]]
) -> None:
    """Do a job within a span that follows from the one that caused it."""
    if not is_on():
        return await work()
    from common import spans

    return await spans.consumed(name, delivery, incoming(headers), work)


def continued(traceparent: str | None, name: str) -> AbstractContextManager[None]:
    """A block that belongs to the trace of what caused it, which was written down, rather than to the request's."""
    cause = parsed(traceparent) if is_on() else None
    if cause is None:
        return nullcontext()
    from common import spans

    return spans.continued(cause, name)


def produced(system: str, destination: str) -> AbstractContextManager[str | None]:
    """A block that sends something on: gives the traceparent to send with it."""
    if not is_on():
        return nullcontext()
    from common import spans

    return spans.produced(system, destination)
