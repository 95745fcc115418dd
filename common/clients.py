"""Remote services, each through one cached getter: nothing is imported or connected before its first use."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from common.config import config

if TYPE_CHECKING:
    import httpx
    from google.auth.credentials import Credentials
    from google.cloud.firestore import AsyncClient
    from google.cloud.pubsub_v1 import PublisherClient
    from google.cloud.tasks_v2 import CloudTasksAsyncClient

HTTP_TIMEOUT_S = 10.0
CLOUD_PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@cache
def firestore() -> AsyncClient:
    """Firestore; FIRESTORE_EMULATOR_HOST is read by the library itself."""
    from google.cloud.firestore import AsyncClient

    return AsyncClient(project=config().project)


@cache
def publisher() -> PublisherClient:
    """Pub/Sub; PUBSUB_EMULATOR_HOST is read by the library itself."""
    from google.cloud.pubsub_v1 import PublisherClient

    return PublisherClient()


@cache
def tasks() -> CloudTasksAsyncClient:
    """Cloud Tasks; its library knows no emulator variable, so a plain channel is opened for ours."""
    from google.cloud.tasks_v2 import CloudTasksAsyncClient

    host = config().cloud_tasks_emulator_host
    if not host:
        return CloudTasksAsyncClient()
    import grpc.aio
    from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

    return CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(host)))


@cache
def http() -> httpx.AsyncClient:
    """For services that have no SDK worth its import time."""
    import httpx

    return httpx.AsyncClient(timeout=HTTP_TIMEOUT_S)


@cache
def _credentials() -> Credentials | None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    if config().firebase_auth_emulator_host:
        return None
    try:
        credentials, _ = google.auth.default(scopes=[CLOUD_PLATFORM_SCOPE])
    except DefaultCredentialsError as missing:
        raise RuntimeError("no Google credentials and no emulator: set one of them") from missing
    return credentials


async def google_access_token() -> str | None:
    """A bearer token for Google's REST APIs, or None where the emulators stand in for them."""
    credentials = _credentials()
    if credentials is None:
        return None
    if not credentials.valid:
        from google.auth.transport.requests import Request

        await asyncio.to_thread(credentials.refresh, Request())
    return str(credentials.token)


async def close() -> None:
    """Close what is open and forget it, so that the next use connects as the environment then says."""
    if firestore.cache_info().currsize:
        await firestore()._firestore_api.transport.close()
    if tasks.cache_info().currsize:
        await tasks().transport.close()
    if http.cache_info().currsize:
        await http().aclose()
    if publisher.cache_info().currsize:
        publisher().stop()
    for getter in (firestore, publisher, tasks, http, _credentials):
        getter.cache_clear()
