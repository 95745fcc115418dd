"""What a function wrote about one delivery: in the local cloud's log file, or in Cloud Logging."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from common.log import redact
from infra.plan import service_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from google.auth.transport.requests import AuthorizedSession

LOGGING: Final = "https://logging.googleapis.com"
TRACE: Final = "logging.googleapis.com/trace"
TIMEOUT_S: Final = 30
# Ten attempts write about thirty lines.
MOST_LINES: Final = 500
MOST_FRAMES: Final = 3

Json = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a function about a delivery."""

    at: str
    message: str
    status: int | None
    code: str | None
    detail: str | None
    stack: str | None
    trace: str | None

    @property
    def is_refusal(self) -> bool:
        """Whether it says why the delivery was refused."""
        return self.code is not None

    @property
    def reason(self) -> str:
        """The problem's code, and in a line what happened."""
        last = self.stack.strip().splitlines()[-1] if self.stack else None
        return ": ".join(part for part in (self.code, self.detail or last) if part)

    def innermost(self) -> list[str]:
        """The frames nearest to the failure."""
        lines = (self.stack or "").splitlines()
        frames = [place for place, line in enumerate(lines) if line.startswith('  File "')]
        return lines[frames[-MOST_FRAMES:][0] :] if frames else []

    @property
    def trace_page(self) -> str | None:
        """Where Google's console shows the request with all that it called."""
        if not self.trace:
            return None
        _, project, _, trace = self.trace.split("/")
        return f"https://console.cloud.google.com/traces/explorer;traceId={trace}?project={project}"


class DeliveryLog(Protocol):
    """Where the lines are. Both kinds find a delivery by the id that `common.trigger` attaches to each line."""

    @property
    def seconds_behind(self) -> float:
        """How late a line may be here."""

    def lines(self, function: str, delivery_id: str, since: datetime) -> list[Line]:
        """What this function wrote about this delivery, the latest last."""


@dataclass(frozen=True)
class LogFile:
    """The file that `make run` keeps. Its lines have no time; it begins with each start."""

    path: Path
    seconds_behind: float = 1

    def lines(self, function: str, delivery_id: str, since: datetime) -> list[Line]:
        wanted = {"function": function, "deliveryId": delivery_id}
        return [_line(entry) for entry in self._entries() if wanted.items() <= entry.items()][-MOST_LINES:]

    def _entries(self) -> Iterator[Json]:
        for text in self.path.read_text(errors="replace").splitlines():
            try:
                entry = json.loads(text)
            except ValueError:  # what a library printed
                continue
            if isinstance(entry, dict):
                yield entry


@dataclass(frozen=True)
class CloudLogging:
    """Cloud Logging over REST, as whoever asks: they may read logs (roles/logging.viewer)."""

    project: str
    session: AuthorizedSession
    base: str = LOGGING
    seconds_behind: float = 15

    def lines(self, function: str, delivery_id: str, since: datetime) -> list[Line]:
        conditions = (
            'resource.type="cloud_run_revision"',
            f"resource.labels.service_name={json.dumps(service_of(function))}",
            f"jsonPayload.deliveryId={json.dumps(delivery_id)}",
            # Without a time everything that is kept would be searched.
            f'timestamp>="{since:%Y-%m-%dT%H:%M:%SZ}"',
        )
        asked: Json = {
            "resourceNames": [f"projects/{self.project}"],
            "filter": " AND ".join(conditions),
            "orderBy": "timestamp desc",
            "pageSize": MOST_LINES,
        }
        found: list[Json] = []
        while len(found) < MOST_LINES:
            reply = self.session.post(f"{self.base}/v2/entries:list", json=asked, timeout=TIMEOUT_S)
            if not reply.ok:
                raise LogUnreadable(f"Cloud Logging answered {reply.status_code}: {reply.text[:300]}")
            page = reply.json()
            found += page.get("entries", [])
            # A page may be empty and yet not the last.
            if not page.get("nextPageToken"):
                break
            asked["pageToken"] = page["nextPageToken"]
        return [_line(_as_written(entry)) for entry in reversed(found)]


class LogUnreadable(Exception):
    """The log cannot be read; what it would say remains unknown."""


def _as_written(entry: Json) -> Json:
    """The line as the function wrote it: Cloud Logging moves some fields out of it."""
    moved = {"time": entry.get("timestamp", ""), "httpRequest": entry.get("httpRequest"), TRACE: entry.get("trace")}
    return {**entry.get("jsonPayload", {}), **moved}


def _line(entry: Json) -> Line:
    request = entry.get("httpRequest") or {}
    # Functions write nothing secret; a stack may still quote what it met.
    kept = redact({name: entry.get(name) for name in ("message", "code", "detail", "stack_trace")})
    assert isinstance(kept, dict)
    return Line(
        at=str(entry.get("time") or ""),
        message=str(kept["message"]),
        status=int(request["status"]) if "status" in request else None,
        code=kept["code"],
        detail=kept["detail"],
        stack=kept["stack_trace"],
        trace=entry.get(TRACE),
    )
