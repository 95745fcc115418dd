"""Cloud Tasks, Pub/Sub and Eventarc as the functions see them, delivering only when the harness says so."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from google.api_core.exceptions import AlreadyExists, DeadlineExceeded, ServiceUnavailable

from common.outbox import OUTBOX
from tests.fire.faults import Kind, RemoteCall
from tests.fire.process import current

if TYPE_CHECKING:
    from tests.support.people import Json


@dataclass
class QueuedTask:
    """A task that waits for its time, or was done: its name stays taken."""

    name: str
    path: str
    audience: str
    body: bytes
    due: datetime
    done: bool = False

    @property
    def function(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass
class Platform:
    """What was handed over and not delivered yet."""

    tasks: dict[str, QueuedTask] = field(default_factory=dict)
    messages: list[Json] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)

    def created(self, paths: list[str]) -> None:
        """Firestore's document-created events; one function listens, to the outbox."""
        self.entries += [path for path in paths if path.startswith(f"{OUTBOX}/")]

    def lose_entries(self) -> None:
        """What is created is not told any more: recovery must not need the event that a crash may lose."""
        self.entries = []

    def take_entries(self) -> list[str]:
        """The outbox documents of which relay_outbox was not told yet."""
        taken, self.entries = self.entries, []
        return taken

    def due(self, now: datetime) -> list[QueuedTask]:
        """The tasks whose time has come, in the order of their times."""
        waiting = [task for task in self.tasks.values() if not task.done and task.due <= now]
        return sorted(waiting, key=lambda task: task.due)

    def take_messages(self) -> list[Json]:
        """Push requests, one for each published message."""
        taken, self.messages = self.messages, []
        return taken


class Transport:
    """Nothing to close."""

    async def close(self) -> None:
        """Part of the client's interface."""


class Tasks:
    """The one call of CloudTasksAsyncClient that the product makes."""

    transport = Transport()

    def queue_path(self, project: str, location: str, queue: str) -> str:
        return f"projects/{project}/locations/{location}/queues/{queue}"

    async def create_task(self, *, parent: str, task: Any) -> Any:
        """Names dedupe, also after the task was done, as Cloud Tasks remembers them for an hour."""
        platform = current().platform

        async def perform() -> Any:
            if task.name in platform.tasks:
                raise AlreadyExists(task.name)
            request, due = task.http_request, task.schedule_time
            platform.tasks[task.name] = QueuedTask(
                task.name,
                urlsplit(request.url).path,
                request.oidc_token.audience,
                bytes(request.body),
                due or datetime.min.replace(tzinfo=UTC),
            )
            return task

        call = RemoteCall(
            Kind.TASK,
            parent.rpartition("/")[2],
            lambda: ServiceUnavailable("injected"),
            lambda: DeadlineExceeded("injected"),
        )
        return await current().cross(call, perform)


class Publisher:
    """The two calls of PublisherClient that the product makes. A future is all its callers get."""

    def topic_path(self, project: str, topic: str) -> str:
        return f"projects/{project}/topics/{topic}"

    def publish(self, topic: str, data: bytes, **attributes: str) -> concurrent.futures.Future[str]:
        """Every copy of a message is delivered."""
        process = current()
        future: concurrent.futures.Future[str] = concurrent.futures.Future()

        async def perform() -> str:
            message = {"data": base64.b64encode(data).decode(), "attributes": attributes, "messageId": "1"}
            process.platform.messages.append({"message": message, "subscription": "s"})
            return "1"

        call = RemoteCall(
            Kind.PUBLISH,
            str(json.loads(data)["type"]),
            lambda: ServiceUnavailable("injected"),
            lambda: DeadlineExceeded("injected"),
        )

        async def publish() -> None:
            try:
                future.set_result(await process.cross(call, perform))
            except Exception as failed:
                future.set_exception(failed)

        process.keep(asyncio.ensure_future(publish()))
        return future
