"""Hands over what the outbox holds: events to Pub/Sub, tasks to Cloud Tasks, and only then the entry is gone."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from common import clients, clock, kpi, messaging, tracing
from common.config import config
from common.outbox import TOPIC, DomainEvent, OutboxEntry, PlannedTask, queue_of

if TYPE_CHECKING:
    from google.cloud.firestore import AsyncDocumentReference

PUBLISH_TIMEOUT_S = 10.0


async def relay(entry: AsyncDocumentReference) -> bool:
    """Hand over one entry; False when it was already gone.

    A crash on the way repeats it: task names dedupe the tasks, consumers dedupe events on their id. Of several who hand
    it over one deletes it, and that one counts what happened.
    """
    from google.api_core.exceptions import NotFound

    snapshot = await entry.get()
    if not snapshot.exists:
        return False
    planned = OutboxEntry.of(snapshot.to_dict())
    with tracing.continued(planned.traceparent, "relay"):
        if planned.event is not None:
            await _publish(planned.event)
        await asyncio.gather(*(create_task(task) for task in planned.tasks))
        try:
            await entry.delete(option=clients.firestore().write_option(exists=True))
        except NotFound:
            return False
        if planned.event is not None:
            kpi.count_event(planned.event)
    return True


async def _publish(event: DomainEvent) -> None:
    publisher = messaging.publisher()
    topic = publisher.topic_path(config().project, TOPIC)
    with tracing.produced("gcp_pubsub", TOPIC) as cause:
        trace = {tracing.ATTRIBUTE: cause} if cause else {}
        future = publisher.publish(topic, event.model_dump_json(by_alias=True).encode(), type=event.type, **trace)
        await asyncio.wait_for(asyncio.wrap_future(future), PUBLISH_TIMEOUT_S)


async def create_task(task: PlannedTask) -> None:
    """Create the task unless one of this name exists or existed within the last hour."""
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import tasks_v2
    from google.protobuf.timestamp_pb2 import Timestamp

    name, at = task.name, task.at
    if task.once_every_s:  # named by the clock of the hand-over: what was committed before is seen by the call
        windows = int(clock.now().timestamp()) // task.once_every_s + 1
        at = datetime.fromtimestamp(windows * task.once_every_s, UTC)
        name = f"{name}-{at:%Y%m%d%H%M%S}"
    url = config().trigger_url(task.function)
    queue = f"projects/{config().project}/locations/{config().location}/queues/{queue_of(task.function)}"
    request = tasks_v2.Task(
        name=f"{queue}/tasks/{name}",
        http_request=tasks_v2.HttpRequest(
            url=url,
            headers={"Content-Type": "application/json"},
            body=json.dumps(task.payload).encode(),
            oidc_token=tasks_v2.OidcToken(service_account_email=config().invoker_service_account, audience=url),
        ),
    )
    if at is not None:
        due = Timestamp()
        due.FromDatetime(at)
        request.schedule_time = due
    with tracing.produced("gcp_cloud_tasks", queue_of(task.function)) as cause:
        if cause:
            request.http_request.headers[tracing.HEADER] = cause
        try:
            await messaging.tasks().create_task(parent=queue, task=request)
        except AlreadyExists:
            return
