"""Topics, queues, triggers and webhooks in the emulators, from the manifest that Terraform reads for the cloud."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import grpc.aio
import httpx
from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud.tasks_v2 import CloudTasksAsyncClient, Queue
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient, Subscription
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from common.trigger import DEAD_LETTERS, DocumentCreated, PubSub, Schedule, Task

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from common.trigger import TriggerSpec
    from manifest.discover import Manifest

ACK_DEADLINE_S: Final = 60
CONTROL_TIMEOUT_S: Final = 60


class Topology:
    """One project's resources at the emulators that `environment` names."""

    def __init__(self, project: str, environment: Mapping[str, str]) -> None:
        self._project = project
        self._environment = environment
        self._services = environment["LOCAL_SERVICES_URL"]

    async def deploy(self, manifest: Manifest, *, schedules: bool = False, topics: tuple[str, ...] = ()) -> None:
        """Make everything exist as declared; a second call changes what has changed. Without `schedules` no
        job runs by itself. `topics` are those that something outside the manifest publishes to."""
        triggers = manifest.triggers
        await asyncio.gather(
            self._deploy_pubsub(triggers, topics),
            self._deploy_queues(triggers),
            self._deploy_controls(triggers, schedules=schedules),
        )

    async def remove(self) -> None:
        """Nothing calls the project's functions any more. Queues stay, empty: their names could not be used again."""
        async with self._control() as client:
            for kind in ("eventarc", "scheduler"):
                (await client.delete(f"{self._services}/{kind}/{self._project}")).raise_for_status()
        async with self._subscriber() as subscriber:
            async for subscription in await subscriber.list_subscriptions(project=f"projects/{self._project}"):
                await subscriber.delete_subscription(subscription=subscription.name)
        async with self._publisher() as publisher:
            async for topic in await publisher.list_topics(project=f"projects/{self._project}"):
                await publisher.delete_topic(topic=topic.name)
        async with self._tasks() as tasks:
            async for queue in await tasks.list_queues(parent=self._location):
                await tasks.purge_queue(name=queue.name)

    async def _deploy_pubsub(self, triggers: tuple[TriggerSpec, ...], topics: tuple[str, ...]) -> None:
        pushes = [(trigger.name, trigger.source) for trigger in triggers if isinstance(trigger.source, PubSub)]
        names = {DEAD_LETTERS, *topics, *(source.topic for _, source in pushes)}
        async with self._publisher() as publisher:
            await asyncio.gather(*(self._create_topic(publisher, name) for name in names))
        # Without a subscription of its own the dead-letter topic would keep nothing to replay.
        kept = Subscription(name=self._subscription(DEAD_LETTERS), topic=self._topic(DEAD_LETTERS))
        wanted = [kept, *(self._push_subscription(name, source) for name, source in pushes)]
        async with self._subscriber() as subscriber:
            await asyncio.gather(*(self._create_subscription(subscriber, each) for each in wanted))

    async def _create_topic(self, publisher: PublisherAsyncClient, name: str) -> None:
        try:
            await publisher.create_topic(name=self._topic(name))
        except AlreadyExists:
            return

    async def _create_subscription(self, subscriber: SubscriberAsyncClient, wanted: Subscription) -> None:
        """Made again where it differs: the emulator refuses to update most fields."""
        try:
            present = await subscriber.get_subscription(subscription=wanted.name)
        except NotFound:
            await subscriber.create_subscription(request=wanted)
            return
        fields = ("topic", "push_config", "retry_policy", "dead_letter_policy")
        if any(getattr(present, name) != getattr(wanted, name) for name in fields):
            await subscriber.delete_subscription(subscription=wanted.name)
            await subscriber.create_subscription(request=wanted)

    def _push_subscription(self, name: str, source: PubSub) -> Subscription:
        target = quote(self._url(name), safe="")
        return Subscription(
            name=self._subscription(name),
            topic=self._topic(source.topic),
            ack_deadline_seconds=ACK_DEADLINE_S,
            push_config={"push_endpoint": f"{self._services}/push?target={target}"},
            retry_policy={
                "minimum_backoff": timedelta(seconds=source.min_backoff_s),
                "maximum_backoff": timedelta(seconds=source.max_backoff_s),
            },
            dead_letter_policy={
                "dead_letter_topic": self._topic(DEAD_LETTERS),
                "max_delivery_attempts": source.max_delivery_attempts,
            },
        )

    async def _deploy_queues(self, triggers: tuple[TriggerSpec, ...]) -> None:
        sources = [trigger.source for trigger in triggers if isinstance(trigger.source, Task)]
        async with self._tasks() as tasks:
            # update_queue creates what does not exist.
            await asyncio.gather(*(tasks.update_queue(queue=self._queue(source)) for source in sources))

    def _queue(self, source: Task) -> Queue:
        return Queue(
            name=f"{self._location}/queues/{source.queue}",
            rate_limits={
                "max_dispatches_per_second": source.max_dispatches_per_second,
                "max_concurrent_dispatches": source.max_concurrent_dispatches,
            },
            retry_config={
                "max_attempts": source.max_attempts,
                "min_backoff": timedelta(seconds=source.min_backoff_s),
                "max_backoff": timedelta(seconds=source.max_backoff_s),
                "max_doublings": source.max_doublings,
            },
        )

    async def _deploy_controls(self, triggers: tuple[TriggerSpec, ...], *, schedules: bool) -> None:
        documents = [
            {"name": trigger.name, "document": trigger.source.document, "url": self._url(trigger.name)}
            for trigger in triggers
            if isinstance(trigger.source, DocumentCreated)
        ]
        jobs = [
            {"name": trigger.name, "cron": trigger.source.cron, "url": self._url(trigger.name)}
            for trigger in triggers
            if schedules and isinstance(trigger.source, Schedule)
        ]
        await asyncio.gather(
            self._put(f"{self._services}/eventarc/{self._project}", {"triggers": documents}),
            self._put(f"{self._services}/scheduler/{self._project}", {"jobs": jobs}),
            self._send_webhooks("stripe", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
            self._send_webhooks("razorpay", "RAZORPAY_KEY_ID", "RAZORPAY_WEBHOOK_SECRET"),
            # It signs with the key of the account itself.
            self._send_webhooks("paystack", "PAYSTACK_SECRET_KEY", "PAYSTACK_SECRET_KEY"),
        )

    async def _send_webhooks(self, provider: str, key: str, secret: str) -> None:
        webhook = {
            "key": self._environment[key],
            "url": f"{self._environment['GATEWAY_URL']}/v1/webhooks/{provider}",
            "secret": self._environment[secret],
        }
        await self._put(f"{self._environment[f'{provider.upper()}_API_BASE']}/_control/webhook", webhook)

    async def _put(self, url: str, body: object) -> None:
        async with self._control() as client:
            reply = await client.put(url, json=body)
        if not reply.is_success:
            raise RuntimeError(f"{url} answered {reply.status_code}: {reply.text[:300]}")

    def _url(self, name: str) -> str:
        return self._environment["TRIGGER_URL_TEMPLATE"].format(name=name)

    def _topic(self, name: str) -> str:
        return f"projects/{self._project}/topics/{name}"

    def _subscription(self, name: str) -> str:
        return f"projects/{self._project}/subscriptions/{name}"

    @property
    def _location(self) -> str:
        return f"projects/{self._project}/locations/{self._environment['LOCATION']}"

    def _control(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(trust_env=False, timeout=CONTROL_TIMEOUT_S)

    @asynccontextmanager
    async def _publisher(self) -> AsyncIterator[PublisherAsyncClient]:
        async with grpc.aio.insecure_channel(self._environment["PUBSUB_EMULATOR_HOST"]) as channel:
            yield PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))

    @asynccontextmanager
    async def _subscriber(self) -> AsyncIterator[SubscriberAsyncClient]:
        async with grpc.aio.insecure_channel(self._environment["PUBSUB_EMULATOR_HOST"]) as channel:
            yield SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))

    @asynccontextmanager
    async def _tasks(self) -> AsyncIterator[CloudTasksAsyncClient]:
        async with grpc.aio.insecure_channel(self._environment["CLOUD_TASKS_EMULATOR_HOST"]) as channel:
            yield CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=channel))


async def deploy(
    project: str,
    environment: Mapping[str, str],
    manifest: Manifest,
    *,
    schedules: bool = False,
    topics: tuple[str, ...] = (),
) -> None:
    """Topology(project, environment).deploy(manifest)."""
    await Topology(project, environment).deploy(manifest, schedules=schedules, topics=topics)


async def remove(project: str, environment: Mapping[str, str]) -> None:
    """Topology(project, environment).remove()."""
    await Topology(project, environment).remove()
