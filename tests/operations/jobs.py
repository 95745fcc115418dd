"""Private functions called as the platform calls them, and what they leave behind in outbox, topic and queues."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc.aio
from google.api_core.exceptions import DeadlineExceeded
from google.pubsub_v1 import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from common import clients, messaging, outbox
from common.config import config
from common.outbox import OUTBOX, TOPIC, OutboxEntry, queue_of
from common.trigger import Task
from emulators import topology
from manifest.discover import Manifest, discover
from tests.support.people import Json, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import httpx

    from common.outbox import DomainEvent, PlannedTask
    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread

SUBSCRIPTION = "seen-by-the-test"


@dataclass(frozen=True)
class Jobs:
    """Calls private functions with the platform's token and headers."""

    client: httpx.Client
    keys: SigningKeys

    def call(self, name: str, body: object = None, **headers: str) -> httpx.Response:
        """POST /triggers/{name}."""
        token = self.keys.invoker_token(config().trigger_url(name))
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
        return self.client.post(f"/triggers/{name}", content=json.dumps(body or {}), headers=sent)

    def created(self, path: str) -> httpx.Response:
        """Eventarc's call of relay_outbox for a new outbox document."""
        about = {"ce-id": uuid4().hex, "ce-document": path, "content-type": "application/protobuf"}
        about |= {"ce-type": "google.cloud.firestore.document.v1.created", "ce-specversion": "1.0"}
        return self.call("relay_outbox", **about)

    def push(self, name: str, event: DomainEvent) -> httpx.Response:
        """Pub/Sub's push of a domain event."""
        data = base64.b64encode(event.model_dump_json(by_alias=True).encode()).decode()
        message = {"data": data, "messageId": uuid4().hex, "attributes": {"type": event.type}}
        return self.call(name, {"message": message, "subscription": f"projects/p/subscriptions/{name}"})


@dataclass
class HandOver:
    """A project with its topic and its queues, which are paused: what is handed over can be looked at."""

    gateway: GatewayThread
    project: str
    _received: list[Json] = field(default_factory=list)

    def open(self) -> None:
        """Queues, the topic and a subscription to it; no trigger listens."""
        tasks_only = Manifest(
            (), tuple(each for each in discover().trigger_functions if isinstance(each.spec.source, Task))
        )
        asyncio.run(topology.deploy(self.project, os.environ, tasks_only, topics=(TOPIC,)))
        self.gateway.run(self._pause(tasks_only))
        self.listen()

    def close(self) -> None:
        asyncio.run(topology.remove(self.project, os.environ))

    async def _pause(self, manifest: Manifest) -> None:
        for spec in manifest.triggers:
            await messaging.tasks().pause_queue(name=self._queue(spec.name))

    def listen(self) -> None:
        """See every event that is published from now on."""
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        async with _subscriber() as subscriber:
            await subscriber.create_subscription(
                name=self._subscription, topic=f"projects/{self.project}/topics/{TOPIC}"
            )

    def add(self, now: datetime, event: DomainEvent | None = None, *tasks: PlannedTask) -> str:
        """Write an outbox entry as a commit of ours does; its path."""
        path, fields = outbox.entry(now, event, *tasks)
        self.put(path, fields)
        return path

    def put(self, path: str, fields: Json) -> None:
        async def put() -> None:
            await clients.firestore().document(path).set(fields)

        self.gateway.run(put())

    def entries(self) -> dict[str, OutboxEntry | None]:
        """The entries that wait, by path; None for one that is none."""

        async def read() -> dict[str, OutboxEntry | None]:
            found = [each async for each in clients.firestore().collection(OUTBOX).stream()]
            return {each.reference.path: _entry(each.to_dict() or {}) for each in found}

        return self.gateway.run(read())

    def events(self, count: int) -> list[Json]:
        """The events published so far, in no order, once there are as many as that."""

        def look() -> list[Json] | None:
            self._received += asyncio.run(self._pull(1.0))
            return self._received if len(self._received) >= count else None

        return list(eventually(look))

    def no_more_events(self) -> bool:
        """Whether nothing else was published."""
        return asyncio.run(self._pull(0.3)) == []

    async def _pull(self, wait_s: float) -> list[Json]:
        async with _subscriber() as subscriber:
            try:
                reply = await subscriber.pull(subscription=self._subscription, max_messages=100, timeout=wait_s)
            except DeadlineExceeded:
                return []
            if not reply.received_messages:
                return []
            received = [message.ack_id for message in reply.received_messages]
            await subscriber.acknowledge(subscription=self._subscription, ack_ids=received)
            return [_told(message.message) for message in reply.received_messages]

    def tasks(self, function: str) -> dict[str, Any]:
        """The tasks that wait for a function, by the last part of their names."""

        async def read() -> dict[str, Any]:
            request = {"parent": self._queue(function), "response_view": "FULL"}
            found = [task async for task in await messaging.tasks().list_tasks(request=request)]
            return {task.name.rpartition("/")[2]: task for task in found}

        return self.gateway.run(read())

    def _queue(self, function: str) -> str:
        return f"projects/{self.project}/locations/{config().location}/queues/{queue_of(function)}"

    @property
    def _subscription(self) -> str:
        return f"projects/{self.project}/subscriptions/{SUBSCRIPTION}"


@asynccontextmanager
async def _subscriber() -> AsyncIterator[SubscriberAsyncClient]:
    async with grpc.aio.insecure_channel(os.environ["PUBSUB_EMULATOR_HOST"]) as channel:
        yield SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))


def _told(message: Any) -> Json:
    event: Json = json.loads(message.data)
    assert message.attributes["type"] == event["type"]
    return event


def _entry(fields: Json) -> OutboxEntry | None:
    return OutboxEntry.of(fields) if isinstance(fields.get("tasks"), list) else None
