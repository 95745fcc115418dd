"""Pub/Sub and Cloud Tasks: what hands over to other functions."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from common.clients import opened
from common.config import config

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient
    from google.cloud.tasks_v2 import CloudTasksAsyncClient


@cache
def publisher() -> PublisherClient:
    """Pub/Sub; PUBSUB_EMULATOR_HOST is read by the library itself."""
    from google.cloud.pubsub_v1 import PublisherClient

    client = PublisherClient()
    opened(publisher, lambda: asyncio.to_thread(client.stop))
    return client


@cache
def tasks() -> CloudTasksAsyncClient:
    """Cloud Tasks; its library knows no emulator variable, so a plain channel is opened for ours."""
    client = _tasks()
    opened(tasks, client.transport.close)
    return client


def _tasks() -> CloudTasksAsyncClient:
    from google.cloud.tasks_v2 import CloudTasksAsyncClient

    host = config().cloud_tasks_emulator_host
    if not host:
        return CloudTasksAsyncClient()
    import grpc.aio
    from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

    return CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(host)))
