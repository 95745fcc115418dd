"""A background job declares itself: what calls it, how often a failure is retried, and where it ends after that."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from common import http, log, tracing
from common.access import INTERNAL
from common.config import config
from common.endpoint import Resources
from common.errors import MethodNotAllowed, Problem, Unauthenticated
from common.outbox import DomainEvent, queue_of
from common.wire import Record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

PayloadT = TypeVar("PayloadT", bound=Record)
MAX_BODY_BYTES: Final = 10 * 1024 * 1024
JOB_RESOURCES: Final = Resources(concurrency=20)
DEAD_LETTERS: Final = "dead-letters"
# The one function that a replayed dead letter is for (infra/dead_letters.py); all others had it the first time.
REPLAYED_TO: Final = "replayedTo"


class RetryLater(Problem):
    """The job cannot be finished now; its source calls it again. (429 and 5xx would slow the whole queue.)"""

    status, code, title = 409, "retry_later", "Not finished, call again"


class MalformedDelivery(Problem):
    """What arrived cannot be this job's payload; its source gives up after its attempts."""

    status, code, title = 400, "malformed_delivery", "Not a payload of this job"


@dataclass(frozen=True)
class PubSub:
    """A push subscription; what still fails after `max_delivery_attempts` goes to the dead-letter topic."""

    topic: str
    types: tuple[str, ...]
    max_delivery_attempts: int = 10
    min_backoff_s: float = 1
    max_backoff_s: float = 300


@dataclass(frozen=True)
class DocumentCreated:
    """A Firestore document-created event, such as of `outbox/{entryId}`. Eventarc retries for a day."""

    document: str


@dataclass(frozen=True)
class Task:
    """A Cloud Tasks queue of the job's own. -1 attempts: as often as it takes."""

    queue: str
    max_attempts: int = -1
    min_backoff_s: float = 1
    max_backoff_s: float = 300
    max_doublings: int = 8
    max_dispatches_per_second: float = 500
    max_concurrent_dispatches: int = 100


@dataclass(frozen=True)
class Schedule:
    """A Cloud Scheduler job; five cron fields, UTC."""

    cron: str


Source = PubSub | DocumentCreated | Task | Schedule


class Nothing(Record):
    """The payload of a scheduled job."""


class CreatedDocument(Record):
    """Which document was created; the job reads it afresh, so a late delivery meets the present state."""

    path: str


@dataclass(frozen=True)
class Job(Generic[PayloadT]):
    """One delivery, checked."""

    payload: PayloadT
    delivery_id: str
    traceparent: str | None = None


@dataclass(frozen=True)
class TriggerSpec:
    """Everything that the local cloud and Terraform need to know of a job."""

    name: str
    module: str
    summary: str
    description: str
    source: Source
    payload: type[Record]
    resources: Resources
    secrets: tuple[str, ...]
    access: str = INTERNAL


class Trigger(Protocol):
    """A declared job: what functions-framework serves, with its declaration."""

    spec: TriggerSpec
    __name__: str

    async def __call__(self, request: Request) -> Response: ...


def trigger(
    source: Source,
    *,
    payload: type[Record] = Nothing,
    resources: Resources = JOB_RESOURCES,
    secrets: tuple[str, ...] = (),
) -> Callable[[Callable[[Job[Any]], Awaitable[None]]], Trigger]:
    """Declare a private job. It answers 204 when done; anything else makes the source call again."""

    def declare(handler: Callable[[Job[Any]], Awaitable[None]]) -> Trigger:
        if isinstance(source, Task) and source.queue != queue_of(handler.__name__):
            raise ValueError(f"the queue of {handler.__name__} must be {queue_of(handler.__name__)}")
        summary, _, description = (handler.__doc__ or "").strip().partition("\n")
        spec = TriggerSpec(
            name=handler.__name__,
            module=handler.__module__,
            summary=summary,
            description=" ".join(description.split()),
            source=source,
            payload=payload,
            resources=resources,
            secrets=secrets,
        )

        async def function(request: Request) -> Response:
            return await http.respond(request, spec.name, lambda: _serve(spec, handler, request))

        function.__name__, function.__qualname__ = handler.__name__, handler.__qualname__
        function.__module__, function.__doc__ = handler.__module__, handler.__doc__
        declared = cast("Trigger", function)
        declared.spec = spec
        return declared

    return declare


async def _serve(spec: TriggerSpec, handler: Callable[[Job[Any]], Awaitable[None]], request: Request) -> Response:
    from common.tokens import verify_invoker

    if request.method != "POST":
        raise MethodNotAllowed(allow="POST")
    token = http.bearer_token(request)
    if token is None:
        raise Unauthenticated
    await verify_invoker(token, audience=config().trigger_url(spec.name))
    raw = await http.read_body(request, MAX_BODY_BYTES)
    try:
        job = _delivery(spec, request, raw)
        if job is not None:
            log.bind(deliveryId=job.delivery_id)
            delivery = tracing.Delivery(*_origin(spec.source), job.traceparent)
            await tracing.consumed(spec.name, delivery, request.headers, lambda: handler(job))
    except Problem as refusal:
        # Whoever called keeps the status alone; why it was refused is read here, when it has become a dead letter.
        log.warning("delivery refused", code=refusal.code, detail=refusal.detail)
        raise
    return Response(status_code=204)


def _origin(source: Source) -> tuple[str, str]:
    """The system that delivers, and the name of what it delivers from."""
    match source:
        case PubSub(topic=topic):
            return "gcp_pubsub", topic
        case DocumentCreated(document=document):
            return "gcp_eventarc", document
        case Task(queue=queue):
            return "gcp_cloud_tasks", queue
        case Schedule(cron=cron):
            return "gcp_cloud_scheduler", cron


def _delivery(spec: TriggerSpec, request: Request, raw: bytes) -> Job[Any] | None:
    """The payload that the source wrapped; None for an event that is not for this function."""
    try:
        match spec.source:
            case PubSub(types=types):
                pushed = _Push.model_validate_json(raw)
                about = pushed.message.attributes
                # A subscription has all events of its topic (terraform/modules/triggers says why).
                if about.get("type") not in types or about.get(REPLAYED_TO, spec.name) != spec.name:
                    return None
                event = DomainEvent.model_validate_json(base64.b64decode(pushed.message.data))
                return Job(event, event.id, about.get(tracing.ATTRIBUTE))
            case DocumentCreated():
                path = request.headers["ce-document"]
                return Job(CreatedDocument(path=path), request.headers["ce-id"])
            case Task():
                payload = spec.payload.model_validate_json(raw)
                task = request.headers.get("x-cloudtasks-taskname", "")
                return Job(payload, task, request.headers.get(tracing.HEADER))
            case Schedule():
                return Job(Nothing(), request.headers.get("x-cloudscheduler-scheduletime", ""))
    except (ValidationError, KeyError, ValueError) as malformed:
        raise MalformedDelivery(str(malformed)) from None


class _Message(BaseModel):
    data: str = ""
    attributes: dict[str, str] = {}


class _Push(BaseModel):
    message: _Message
