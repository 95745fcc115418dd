"""What Cloud Tasks accepts and answers: its messages to and from the queue model, its refusals word for word.

Codes and texts are those recorded from the real service; where none is on record, the text says what is wrong.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud import tasks_v2

from emulators.task_queue import UNLIMITED, Attempt, Outcome, RateLimits, RetryPolicy, Task

QueueMessage = tasks_v2.Queue.pb()
TaskMessage = tasks_v2.Task.pb()
AttemptMessage = tasks_v2.Attempt.pb()

USER_AGENT = "Google-Cloud-Tasks"
LOCATION_NAME = re.compile(r"projects/[A-Za-z0-9.:-]+/locations/[A-Za-z0-9-]+")
QUEUE_NAME = re.compile(LOCATION_NAME.pattern + r"/queues/[A-Za-z0-9-]{1,100}")
TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
MAX_TASK_BYTES = 1 << 20
MAX_DELAY = timedelta(hours=720)
DEADLINE_DEFAULT = timedelta(minutes=10)
DEADLINE_RANGE = (timedelta(seconds=15), timedelta(minutes=30))
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

# google.rpc codes as the service reports them for a worker's HTTP status.
RPC_OF_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    code: grpc.StatusCode
    message: str


class Refused(Exception):
    """The call is answered with this refusal instead of a result."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid(message: str) -> Refused:
    return Refused(Refusal(grpc.StatusCode.INVALID_ARGUMENT, message))


def unimplemented(what: str) -> Refused:
    return Refused(Refusal(grpc.StatusCode.UNIMPLEMENTED, f"{what} is not part of this emulator."))


def check_location(name: str) -> None:
    if not LOCATION_NAME.fullmatch(name):
        raise invalid("Invalid resource field value in the request.")


def check_queue(queue: Any) -> None:
    """Refuse a queue that the service would refuse, or that asks for what the emulator cannot do."""
    if not QUEUE_NAME.fullmatch(queue.name):
        form = "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>"
        raise invalid(f'Queue name must be formatted: "{form}".')
    for field in ("http_target", "app_engine_routing_override"):
        if queue.HasField(field):
            raise unimplemented(f"Queue.{field}")
    limits = queue.rate_limits
    _check_range("RateLimits.maxDispatchesPerSecond", limits.max_dispatches_per_second, 500)
    _check_range("RateLimits.maxConcurrentDispatches", limits.max_concurrent_dispatches, 5000)
    check_retry(queue.retry_config)


def check_retry(retry: Any) -> None:
    if retry.max_attempts < UNLIMITED:
        raise invalid("RetryConfig.maxAttempts must be greater or equal to -1.")
    _check_range("RetryConfig.maxDoublings", retry.max_doublings)
    _check_range("RetryConfig.minBackoff", retry.min_backoff.ToTimedelta().total_seconds())
    _check_range("RetryConfig.maxBackoff", retry.max_backoff.ToTimedelta().total_seconds())
    _check_range("RetryConfig.maxRetryDuration", retry.max_retry_duration.ToTimedelta().total_seconds())
    policy = retry_policy(with_retry_defaults(retry))
    if policy.min_backoff > policy.max_backoff:
        raise invalid("RetryConfig.minBackoff must be less than or equal to RetryConfig.maxBackoff.")


def _check_range(field: str, value: float, highest: int | None = None) -> None:
    if value < 0:
        raise invalid(f"{field} cannot be negative.")
    if highest is not None and value > highest:
        raise invalid(f"{field} must be less than or equal to {highest}.")


def with_queue_defaults(queue: Any, explicit: Collection[str] = ()) -> Any:
    """The queue with the service's choice in every field left at zero; `explicit` ones may stay zero."""
    filled = QueueMessage()
    filled.CopyFrom(queue)
    limits, default = filled.rate_limits, RateLimits()
    limits.max_dispatches_per_second = limits.max_dispatches_per_second or default.max_dispatches_per_second
    limits.max_concurrent_dispatches = limits.max_concurrent_dispatches or default.max_concurrent_dispatches
    limits.max_burst_size = burst_size(limits.max_dispatches_per_second)
    keep_zero = "retry_config.max_doublings" in explicit
    filled.retry_config.CopyFrom(with_retry_defaults(queue.retry_config, keep_zero_doublings=keep_zero))
    return filled


def burst_size(rate: float) -> int:
    """The service's own choice: 10 is on record for a rate of 1 a second, 100 for 500."""
    return max(10, min(100, int(rate)))


def with_retry_defaults(retry: Any, *, keep_zero_doublings: bool = False) -> Any:
    filled = type(retry)()
    filled.CopyFrom(retry)
    default = RetryPolicy()
    filled.max_attempts = filled.max_attempts or default.max_attempts
    if not filled.max_doublings and not keep_zero_doublings:
        filled.max_doublings = default.max_doublings
    for name in ("min_backoff", "max_backoff"):
        if not getattr(filled, name).ToTimedelta():
            getattr(filled, name).FromTimedelta(getattr(default, name))
    return filled


def rate_limits(limits: Any) -> RateLimits:
    return RateLimits(limits.max_dispatches_per_second, limits.max_burst_size, limits.max_concurrent_dispatches)


def retry_policy(retry: Any) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        max_retry_duration=timedelta(seconds=retry.max_retry_duration.seconds),
        min_backoff=retry.min_backoff.ToTimedelta(),
        max_backoff=retry.max_backoff.ToTimedelta(),
        max_doublings=retry.max_doublings,
    )


def task_retry(task: Any) -> RetryPolicy | None:
    """A task's own retry settings; they stand in for the queue's as a whole."""
    if not task.HasField("retry_config"):
        return None
    return retry_policy(with_retry_defaults(task.retry_config))


def check_task(task: Any, queue_name: str, now: datetime) -> None:
    """Refuse a task that the service would refuse, or that asks for what the emulator cannot do."""
    if task.HasField("app_engine_http_request"):
        raise unimplemented("Task.app_engine_http_request")
    if task.name:
        _check_task_name(task.name, queue_name)
    call = task.http_request
    if not call.url:
        raise invalid("HttpRequest.url is required.")
    if not call.url.startswith(("http://", "https://")):
        raise invalid("HttpTarget.url must start with 'http://' or 'https://'.")
    if call.body and method_name(call) not in BODY_METHODS:
        raise invalid("HttpRequest.body is allowed only with POST, PUT and PATCH.")
    if task.ByteSize() > MAX_TASK_BYTES:
        raise invalid("Task size too large")
    shortest, longest = DEADLINE_RANGE
    if task.HasField("dispatch_deadline") and not (shortest <= task.dispatch_deadline.ToTimedelta() <= longest):
        raise invalid("Task.dispatchDeadline must be between [15s, 30m].")
    due = task.schedule_time.ToDatetime(UTC)
    if due > now + MAX_DELAY:
        raise invalid(
            f"The Task.scheduleTime, {due.isoformat(timespec='seconds')}, is too far in the future."
            " Schedule time must be no more than 720h in the future."
        )
    check_retry(task.retry_config)


def _check_task_name(name: str, queue_name: str) -> None:
    named_queue, separator, task_id = name.partition("/tasks/")
    if not separator:
        form = "projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>"
        raise invalid(f'Task name must be formatted: "{form}"')
    if named_queue != queue_name:
        raise invalid(
            f"The queue name from request ('{queue_name}') must be the same as"
            f" the queue name in the named task ('{named_queue}')."
        )
    if not TASK_ID.fullmatch(task_id):
        raise invalid(
            f'Task ID "{task_id}" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-),'
            " or underscores (_). Task ID must between 1 and 500 characters."
        )


def method_name(call: Any) -> str:
    return tasks_v2.HttpMethod(call.http_method).name if call.http_method else "POST"


def stored_task(task: Any) -> Any:
    """The task as it rests in the queue: the caller's part, with the service's choices filled in."""
    stored = TaskMessage()
    stored.CopyFrom(task)
    for output_only in ("create_time", "dispatch_count", "response_count", "first_attempt", "last_attempt"):
        stored.ClearField(output_only)
    stored.http_request.http_method = task.http_request.http_method or tasks_v2.HttpMethod.POST
    stored.http_request.headers["User-Agent"] = USER_AGENT
    if not task.HasField("dispatch_deadline"):
        stored.dispatch_deadline.FromTimedelta(DEADLINE_DEFAULT)
    return stored


def task_message(task: Task[Any], view: int) -> Any:
    """The task as the service shows it: the basic view withholds the body."""
    message = TaskMessage()
    message.CopyFrom(task.payload)
    message.name = task.name
    message.create_time.FromDatetime(task.create_time.replace(microsecond=0))
    message.schedule_time.FromDatetime(task.schedule_time)
    message.dispatch_count = task.dispatch_count
    message.response_count = task.response_count
    if task.first_dispatch:
        message.first_attempt.dispatch_time.FromDatetime(task.first_dispatch)
    if task.last_attempt:
        message.last_attempt.CopyFrom(_attempt_message(task.last_attempt))
    message.view = tasks_v2.Task.View.FULL
    if view != tasks_v2.Task.View.FULL:
        message.view = tasks_v2.Task.View.BASIC
        message.http_request.ClearField("body")
    return message


def _attempt_message(attempt: Attempt) -> Any:
    message = AttemptMessage()
    message.schedule_time.FromDatetime(attempt.schedule_time)
    message.dispatch_time.FromDatetime(attempt.dispatch_time)
    if attempt.response_time and attempt.outcome:
        message.response_time.FromDatetime(attempt.response_time)
        code, _ = _rpc_code(attempt.outcome).value
        message.response_status.code = code
        message.response_status.message = _status_text(attempt.outcome)
    return message


def _rpc_code(outcome: Outcome) -> grpc.StatusCode:
    if outcome.succeeded:
        return grpc.StatusCode.OK
    return RPC_OF_STATUS.get(outcome.status, grpc.StatusCode.UNKNOWN)


def _status_text(outcome: Outcome) -> str:
    code = _rpc_code(outcome)
    cause = f"HTTP status code {outcome.status}" if outcome.responded else "no response"
    return f"{code.name}({code.value[0]}): {cause}"
