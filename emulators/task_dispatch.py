"""Attempts: when a queue starts them, the HTTP request the worker gets, and how the end of one is read."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from emulators.identity import LocalIdentity
from emulators.task_messages import USER_AGENT, method_name, rate_limits, retry_policy
from emulators.task_queue import NO_TIME, Outcome, Task, TaskQueue

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
COMPUTED_HEADERS = frozenset({"host", "content-length", "user-agent"})
RESERVED_PREFIXES = ("x-cloudtasks-", "x-google-", "x-appengine-")
# What the service puts into X-CloudTasks-TaskPreviousResponse when the worker never answered.
TIMED_OUT = Outcome(504, responded=False)
UNREACHABLE = Outcome(503, responded=False)


class Worker:
    """Sends attempts over one HTTP client, and knows every one that is under way."""

    def __init__(self, identity: LocalIdentity) -> None:
        self._identity = identity
        self._attempts: set[asyncio.Task[None]] = set()
        # Idle connections are dropped before a server's usual five seconds are over: a request that
        # meets the closing of its connection would count as a failed attempt.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2)
        self._http = httpx.AsyncClient(limits=limits, timeout=None, trust_env=False)

    def begin(self, task: Task[Any], heard: Callable[[Task[Any], Outcome], None]) -> None:
        async def attempt() -> None:
            heard(task, await self._send(task))

        under_way = asyncio.create_task(attempt())
        self._attempts.add(under_way)
        under_way.add_done_callback(self._attempts.discard)

    async def close(self) -> None:
        """End what is under way unheard."""
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        await self._http.aclose()

    async def _send(self, task: Task[Any]) -> Outcome:
        call = task.payload.http_request
        deadline = task.payload.dispatch_deadline.ToTimedelta()
        headers = attempt_headers(task, self._authorization(call))
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                response = await self._http.request(
                    method_name(call),
                    call.url,
                    content=call.body or None,
                    headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                )
        except TimeoutError:
            return TIMED_OUT
        except (httpx.HTTPError, httpx.InvalidURL):
            return UNREACHABLE
        return Outcome(response.status_code, retry_after=_retry_after(response, datetime.now(UTC)))

    def _authorization(self, call: Any) -> str | None:
        if call.HasField("oidc_token"):
            token = call.oidc_token
            return f"Bearer {self._identity.token(token.audience or call.url, token.service_account_email)}"
        if call.HasField("oauth_token"):
            oauth = call.oauth_token
            scope = oauth.scope or CLOUD_PLATFORM
            return f"Bearer {self._identity.access_token(oauth.service_account_email, scope)}"
        return None


class DispatchedQueue:
    """A queue at work: sleeps until its next task is due, and hands what is due to the worker."""

    def __init__(self, message: Any, worker: Worker) -> None:
        self.message = message
        limits, retry = rate_limits(message.rate_limits), retry_policy(message.retry_config)
        self.tasks: TaskQueue[Any] = TaskQueue(limits, retry, datetime.now(UTC))
        self._worker = worker
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def configure(self, message: Any) -> None:
        self.message = message
        limits, retry = rate_limits(message.rate_limits), retry_policy(message.retry_config)
        self.tasks.configure(limits, retry, datetime.now(UTC))
        self.dispatch()

    def dispatch(self) -> None:
        """Begin what is due. To be called after every change; what time alone changes, the timer sees to."""
        self._sleep(None)
        if self._closed:
            return
        for task in self.tasks.take_due(datetime.now(UTC)):
            self.begin(task)
        self._sleep(self.tasks.next_wake(datetime.now(UTC)))

    def begin(self, task: Task[Any]) -> None:
        self._worker.begin(task, self._heard)

    def close(self) -> None:
        """Begin nothing more; attempts under way go on."""
        self._closed = True
        self._sleep(None)

    def _heard(self, task: Task[Any], outcome: Outcome) -> None:
        self.tasks.finish(task, outcome, datetime.now(UTC))
        self.dispatch()

    def _sleep(self, until: datetime | None) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if until is not None:
            delay = max(0.0, (until - datetime.now(UTC)).total_seconds())
            self._timer = asyncio.get_running_loop().call_later(delay, self.dispatch)


def attempt_headers(task: Task[Any], authorization: str | None) -> dict[str, str]:
    """The task's own headers, less those the service sets or ignores, and the service's."""
    headers = {
        name: value
        for name, value in task.payload.http_request.headers.items()
        if not _ignored(name.lower(), authorized=authorization is not None)
    }
    queue_name, _, task_id = task.name.partition("/tasks/")
    headers |= {
        "User-Agent": USER_AGENT,
        "X-CloudTasks-QueueName": queue_name.rpartition("/")[2],
        "X-CloudTasks-TaskName": task_id,
        "X-CloudTasks-TaskRetryCount": str(task.dispatch_count - 1),
        "X-CloudTasks-TaskExecutionCount": str(task.execution_count),
        "X-CloudTasks-TaskETA": f"{task.schedule_time.timestamp():.6f}",
    }
    if task.previous_status is not None:
        headers["X-CloudTasks-TaskPreviousResponse"] = str(task.previous_status)
        headers["X-CloudTasks-TaskRetryReason"] = ""  # so the service sends it for every HTTP target
    if authorization:
        headers["Authorization"] = authorization
    return headers


def _ignored(name: str, *, authorized: bool) -> bool:
    replaced = name == "authorization" and authorized
    return replaced or name in COMPUTED_HEADERS or name.startswith(RESERVED_PREFIXES)


def _retry_after(response: httpx.Response, now: datetime) -> timedelta:
    """The header's seconds or date (RFC 9110, 10.2.3); anything else asks for nothing."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value), 30 * 86_400))
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return NO_TIME
    until = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(NO_TIME, until - now)
