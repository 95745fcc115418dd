"""The Cloud Tasks emulator, through the real client and in front of a real HTTP worker."""

import asyncio
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import jwt
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.protobuf import field_mask_pb2

from emulators.cloud_tasks import CloudTasksEmulator
from emulators.identity import LocalIdentity
from emulators.task_dispatch import Worker
from emulators.task_queue import Outcome, Task

PATIENCE_S = 10
LOCATION = "projects/{}/locations/asia-south1"
FAST_RETRY = {"min_backoff": timedelta(milliseconds=5), "max_backoff": timedelta(milliseconds=5)}


@dataclass(frozen=True)
class Received:
    method: str
    headers: dict[str, str]
    body: bytes
    at: datetime


@dataclass
class Workplace:
    """A worker that records what arrives, replies as told (200 by default), and can be made to wait."""

    url: str = ""
    received: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))
    replies: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    busy: int = 0
    busiest: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def arrivals(self, path: str, count: int) -> list[Received]:
        """Wait until `count` requests have arrived at the path."""
        with self.changed:
            arrived = self.changed.wait_for(lambda: len(self.received[path]) >= count, PATIENCE_S)
            assert arrived, f"{path} got {len(self.received[path])} of {count}"
            return list(self.received[path])

    @contextmanager
    def waiting(self, path: str) -> Iterator[threading.Event]:
        """Keep every request to the path open until the event is set, or the block ends."""
        gate = self.gates[path] = threading.Event()
        try:
            yield gate
        finally:
            gate.set()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        path, length = request.path, int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        with self.changed:
            self.busy += 1
            self.busiest = max(self.busy, self.busiest)
            sent = request.headers
            headers = {name.lower(): ", ".join(sent.get_all(name, [])) for name in sent}
            self.received[path].append(Received(request.command, headers, body, datetime.now(UTC)))
            replies = self.replies.get(path)
            status, extra = replies.pop(0) if replies else (200, {})
            self.changed.notify_all()
        if path in self.gates:
            self.gates[path].wait(PATIENCE_S)
        with self.changed:
            self.busy -= 1
        request.send_response(status)
        for name, value in {"Content-Length": "0", **extra}.items():
            request.send_header(name, value)
        request.end_headers()


@pytest.fixture(scope="module")
def identity() -> LocalIdentity:
    return LocalIdentity()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ThreadingHTTPServer, list[Workplace]]]:
    current: list[Workplace] = [Workplace()]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            current[0].handle(self)

        do_GET = do_PUT = do_DELETE = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server, current
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)


@pytest.fixture
def worker(server: tuple[ThreadingHTTPServer, list[Workplace]]) -> Workplace:
    http, current = server
    current[0] = Workplace(url=f"http://127.0.0.1:{http.server_port}")
    return current[0]


@pytest.fixture(scope="module")
def address(identity: LocalIdentity) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_S)

    async def started() -> tuple[CloudTasksEmulator, int]:
        emulator = CloudTasksEmulator(identity)
        return emulator, await emulator.start("127.0.0.1", 0)

    emulator, port = call(started())
    yield f"127.0.0.1:{port}"
    call(emulator.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.close()


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[tasks_v2.CloudTasksClient]:
    channel = grpc.insecure_channel(address)
    yield tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    channel.close()


@pytest.fixture
def location(request: pytest.FixtureRequest) -> str:
    """Every test has a project of its own."""
    return LOCATION.format(f"p{abs(hash(request.node.nodeid))}")


class Queue:
    """One queue of the emulator, in a test's words."""

    def __init__(self, client: tasks_v2.CloudTasksClient, location: str, **settings: Any) -> None:
        self.client = client
        self.name = f"{location}/queues/q"
        client.create_queue(parent=location, queue=tasks_v2.Queue({"name": self.name, **settings}))

    def task_name(self, task_id: str) -> str:
        return f"{self.name}/tasks/{task_id}"

    def create(self, url: str, task_id: str = "", **fields: Any) -> tasks_v2.Task:
        http = {"url": url, **fields.pop("http", {})}
        name = {"name": self.task_name(task_id)} if task_id else {}
        task = tasks_v2.Task({"http_request": http, **name, **fields})
        return self.client.create_task(parent=self.name, task=task)

    def create_in(self, delay: timedelta, url: str, task_id: str = "") -> tasks_v2.Task:
        return self.create(url, task_id, schedule_time=datetime.now(UTC) + delay)

    def wait_until_gone(self, task_id: str) -> None:
        until(lambda: self.find(task_id) is None)

    def find(self, task_id: str) -> tasks_v2.Task | None:
        try:
            return self.client.get_task(name=self.task_name(task_id))
        except exceptions.NotFound:
            return None


@pytest.fixture
def queue(client: tasks_v2.CloudTasksClient, location: str) -> Queue:
    return Queue(client, location, retry_config=FAST_RETRY)


def until(condition: Any) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return result


def service_headers(received: Received) -> dict[str, str]:
    prefix = "x-cloudtasks-"
    return {name.removeprefix(prefix): v for name, v in received.headers.items() if name.startswith(prefix)}


def test_a_task_arrives_as_the_request_it_describes(queue: Queue, worker: Workplace) -> None:
    headers = {"Content-Type": "application/json", "X-Trace": "1", "User-Agent": "me", "X-CloudTasks-Fake": "1"}
    task = queue.create(
        f"{worker.url}/work?x=1", "first", http={"http_method": "PUT", "headers": headers, "body": b'{"a":1}'}
    )
    (received,) = worker.arrivals("/work?x=1", 1)
    assert (received.method, received.body) == ("PUT", b'{"a":1}')
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-trace"] == "1"
    assert received.headers["user-agent"] == "Google-Cloud-Tasks"
    assert service_headers(received) == {
        "queuename": "q",
        "taskname": "first",
        "taskretrycount": "0",
        "taskexecutioncount": "0",
        "tasketa": f"{task.schedule_time.timestamp():.6f}",
    }
    assert "authorization" not in received.headers
    queue.wait_until_gone("first")


def test_the_method_is_post_and_the_id_a_number_unless_said(queue: Queue, worker: Workplace) -> None:
    task = queue.create(f"{worker.url}/plain")
    assert worker.arrivals("/plain", 1)[0].method == "POST"
    assert task.name.startswith(f"{queue.name}/tasks/")
    assert task.name.rpartition("/")[2].isdigit()


def test_the_oidc_token_is_one_that_the_key_set_vouches_for(
    queue: Queue, worker: Workplace, identity: LocalIdentity
) -> None:
    email, url = "invoker@demo.iam.gserviceaccount.com", f"{worker.url}/private"
    queue.create(url, http={"oidc_token": {"service_account_email": email}, "headers": {"authorization": "x"}})
    queue.create(f"{worker.url}/other", http={"oidc_token": {"service_account_email": email, "audience": "aud"}})
    for path, audience in (("/private", url), ("/other", "aud")):
        scheme, _, token = worker.arrivals(path, 1)[0].headers["authorization"].partition(" ")
        assert scheme == "Bearer"
        key = jwt.PyJWKSet.from_dict(identity.jwks())[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=audience)
        assert (claims["email"], claims["email_verified"]) == (email, True)
        assert claims["iss"] == "https://accounts.google.com"
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["sub"].isdigit()


def test_another_key_set_does_not_vouch_for_the_token(identity: LocalIdentity) -> None:
    (other,) = jwt.PyJWKSet.from_dict(LocalIdentity().jwks()).keys
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(identity.token("aud", "a@b"), other, algorithms=["RS256"], audience="aud")


def test_an_oauth_token_is_sent_too(queue: Queue, worker: Workplace) -> None:
    queue.create(f"{worker.url}/api", http={"oauth_token": {"service_account_email": "a@b"}})
    assert worker.arrivals("/api", 1)[0].headers["authorization"].startswith("Bearer ya29.")


def test_retries_tell_the_worker_what_the_real_service_was_recorded_to_tell(queue: Queue, worker: Workplace) -> None:
    worker.replies["/flaky"] = [(status, {}) for status in (503, 404, 429, 500, 302)]
    queue.create(f"{worker.url}/flaky", "t")
    sent = [service_headers(received) for received in worker.arrivals("/flaky", 6)]
    assert [h["taskretrycount"] for h in sent] == ["0", "1", "2", "3", "4", "5"]
    assert [h["taskexecutioncount"] for h in sent] == ["0", "0", "1", "2", "2", "3"]
    assert [h.get("taskpreviousresponse") for h in sent] == [None, "503", "404", "429", "500", "302"]
    assert [h.get("taskretryreason") for h in sent] == [None, "", "", "", "", ""]
    queue.wait_until_gone("t")


def test_a_task_that_keeps_failing_is_given_up_after_max_attempts(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    queue = Queue(client, location, retry_config={**FAST_RETRY, "max_attempts": 3})
    worker.replies["/broken"] = [(500, {})] * 9
    queue.create(f"{worker.url}/broken", "t")
    queue.wait_until_gone("t")
    assert len(worker.received["/broken"]) == 3


def test_what_became_of_the_last_attempt_is_shown(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    slow = {"min_backoff": timedelta(hours=1), "max_backoff": timedelta(hours=1)}
    queue = Queue(client, location, retry_config=slow)
    worker.replies["/broken"] = [(500, {})]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: refuses connections
        queue.create(f"http://127.0.0.1:{unused.getsockname()[1]}/", "unreachable")
        queue.create(f"{worker.url}/broken", "broken")
        shown = {}
        for task_id in ("unreachable", "broken"):
            task = until(lambda i=task_id: (t := queue.find(i)) and t.last_attempt.response_time and t)
            assert task.dispatch_count == 1
            assert task.first_attempt.dispatch_time == task.last_attempt.dispatch_time
            assert task.schedule_time - task.last_attempt.response_time == timedelta(hours=1)
            status = task.last_attempt.response_status
            shown[task_id] = (status.code, status.message, task.response_count)
    assert shown == {
        "unreachable": (14, "UNAVAILABLE(14): no response", 0),
        "broken": (13, "INTERNAL(13): HTTP status code 500", 1),
    }


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense"])
def test_a_busy_worker_is_left_alone_for_as_long_as_it_asks(queue: Queue, worker: Workplace, form: str) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    value = {"seconds": "3600", "date": format_datetime(in_an_hour, usegmt=True), "nonsense": "a while"}[form]
    worker.replies["/busy"] = [(503, {"Retry-After": value})]
    queue.create(f"{worker.url}/busy", "t")
    if form == "nonsense":
        worker.arrivals("/busy", 2)
        return
    task = until(lambda: (t := queue.find("t")) and t.response_count and t)
    assert abs(task.schedule_time - in_an_hour) < timedelta(seconds=60)


def test_a_delayed_task_waits_for_its_time_and_wakes_the_queue(queue: Queue, worker: Workplace) -> None:
    queue.create_in(timedelta(hours=1), f"{worker.url}/never")
    late = queue.create_in(timedelta(milliseconds=200), f"{worker.url}/late")
    early = queue.create_in(timedelta(milliseconds=100), f"{worker.url}/early")
    assert worker.arrivals("/late", 1)[0].at >= late.schedule_time
    assert worker.arrivals("/early", 1)[0].at >= early.schedule_time
    assert not worker.received["/never"]


def test_a_name_is_refused_while_the_task_lives_and_after_it_completed(queue: Queue, worker: Workplace) -> None:
    queue.create_in(timedelta(hours=1), f"{worker.url}/once", "once")
    with pytest.raises(exceptions.AlreadyExists, match=r"^409 Requested entity already exists$"):
        queue.create(f"{worker.url}/once", "once")
    queue.client.run_task(name=queue.task_name("once"))
    queue.wait_until_gone("once")
    with pytest.raises(exceptions.AlreadyExists, match="a task with this name existed too recently"):
        queue.create(f"{worker.url}/once", "once")
    with pytest.raises(exceptions.NotFound, match="The task no longer exists, though"):
        queue.client.run_task(name=queue.task_name("once"))
    assert len(worker.received["/once"]) == 1


def test_a_paused_queue_sends_nothing_until_it_is_resumed(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    paused, other = Queue(client, location), Queue(client, f"{location}b")
    assert client.pause_queue(name=paused.name).state == tasks_v2.Queue.State.PAUSED
    paused.create(f"{worker.url}/held", "held")
    other.create(f"{worker.url}/free")
    worker.arrivals("/free", 1)
    assert client.get_task(name=paused.task_name("held")).dispatch_count == 0
    assert client.resume_queue(name=paused.name).state == tasks_v2.Queue.State.RUNNING
    worker.arrivals("/held", 1)


def test_run_task_sends_one_request_whatever_is_called_meanwhile(queue: Queue, worker: Workplace) -> None:
    client = queue.client
    client.pause_queue(name=queue.name)
    queue.create_in(timedelta(milliseconds=50), f"{worker.url}/once", "t")
    with worker.waiting("/once") as gate:
        assert client.run_task(name=queue.task_name("t")).dispatch_count == 1
        worker.arrivals("/once", 1)
        assert client.run_task(name=queue.task_name("t")).dispatch_count == 1
        client.resume_queue(name=queue.name)
        queue.create_in(timedelta(milliseconds=150), f"{worker.url}/after")  # long after the task's own time
        worker.arrivals("/after", 1)
        gate.set()
        queue.wait_until_gone("t")
    assert len(worker.received["/once"]) == 1


def test_a_task_deleted_while_dispatched_is_not_retried(queue: Queue, worker: Workplace) -> None:
    worker.replies["/doomed"] = [(500, {})] * 5
    with worker.waiting("/doomed") as gate:
        queue.create(f"{worker.url}/doomed", "t")
        worker.arrivals("/doomed", 1)
        queue.client.delete_task(name=queue.task_name("t"))
        gate.set()
        queue.create_in(timedelta(milliseconds=150), f"{worker.url}/after")  # thirty backoffs later
        worker.arrivals("/after", 1)
    assert len(worker.received["/doomed"]) == 1
    assert queue.find("t") is None


def test_no_more_tasks_are_under_way_than_the_queue_allows(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    queue = Queue(client, location, rate_limits={"max_concurrent_dispatches": 2})
    with worker.waiting("/slow") as gate:
        for _ in range(6):
            queue.create(f"{worker.url}/slow")
        worker.arrivals("/slow", 2)
        gate.set()
        worker.arrivals("/slow", 6)
    assert worker.busiest == 2


def test_the_rate_limit_spreads_what_exceeds_the_burst(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    queue = Queue(client, location, rate_limits={"max_dispatches_per_second": 20})  # and a burst of 20
    client.pause_queue(name=queue.name)
    for _ in range(26):
        queue.create(f"{worker.url}/many")
    resumed = datetime.now(UTC)
    client.resume_queue(name=queue.name)
    times = sorted(received.at for received in worker.arrivals("/many", 26))
    assert times[-1] - resumed >= timedelta(seconds=5.9 / 20)


def test_hundreds_of_tasks_each_arrive_exactly_once(queue: Queue, worker: Workplace) -> None:
    for number in range(250):
        queue.create(f"{worker.url}/bulk", f"n{number}")
    names = [service_headers(received)["taskname"] for received in worker.arrivals("/bulk", 250)]
    assert sorted(names) == sorted(f"n{number}" for number in range(250))


def test_lists_come_in_pages_and_hide_bodies_unless_asked(queue: Queue, worker: Workplace) -> None:
    client = queue.client
    client.pause_queue(name=queue.name)
    for number in range(7):
        queue.create(worker.url, f"t{number}", http={"body": b"secret"})
    pages = list(client.list_tasks({"parent": queue.name, "page_size": 3}).pages)
    assert [len(page.tasks) for page in pages] == [3, 3, 1]
    listed = [task for page in pages for task in page.tasks]
    assert [task.name for task in listed] == [queue.task_name(f"t{number}") for number in range(7)]
    assert {task.http_request.body for task in listed} == {b""}
    assert {task.view for task in listed} == {tasks_v2.Task.View.BASIC}
    full = tasks_v2.Task.View.FULL
    (shown, *_) = client.list_tasks({"parent": queue.name, "response_view": full})
    assert (shown.http_request.body, shown.view) == (b"secret", full)
    got = client.get_task({"name": shown.name, "response_view": full})
    assert got == shown
    assert got.http_request.headers["User-Agent"] == "Google-Cloud-Tasks"
    assert got.dispatch_deadline == timedelta(minutes=10)


def test_purge_empties_the_queue(queue: Queue, worker: Workplace) -> None:
    client = queue.client
    queue.create_in(timedelta(hours=1), worker.url, "t")
    assert client.purge_queue(name=queue.name).purge_time
    assert list(client.list_tasks(parent=queue.name)) == []
    with pytest.raises(exceptions.AlreadyExists):
        queue.create(worker.url, "t")


def test_queues_of_different_projects_do_not_meet(client: tasks_v2.CloudTasksClient, location: str) -> None:
    here, there = Queue(client, location), Queue(client, f"{location}b")
    assert [queue.name for queue in client.list_queues(parent=location)] == [here.name]
    client.delete_queue(name=here.name)
    assert client.get_queue(name=there.name).name == there.name
    with pytest.raises(exceptions.NotFound, match=r"Queue does not exist\. If you just created the queue"):
        client.get_queue(name=here.name)
    with pytest.raises(exceptions.FailedPrecondition, match="a queue with this name existed too recently"):
        Queue(client, location)


def test_a_deleted_queue_sends_nothing_more(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    deleted, other = Queue(client, location), Queue(client, f"{location}b")
    deleted.create_in(timedelta(milliseconds=100), f"{worker.url}/dropped")
    client.delete_queue(name=deleted.name)
    other.create_in(timedelta(milliseconds=200), f"{worker.url}/after")
    worker.arrivals("/after", 1)
    assert not worker.received["/dropped"]


def test_queues_are_listed_in_pages(client: tasks_v2.CloudTasksClient, location: str) -> None:
    names = [f"{location}/queues/q{number}" for number in range(5)]
    for name in names:
        client.create_queue(parent=location, queue=tasks_v2.Queue(name=name))
    pages = list(client.list_queues({"parent": location, "page_size": 2}).pages)
    assert [[queue.name for queue in page.queues] for page in pages] == [names[:2], names[2:4], names[4:]]


def test_a_queue_has_the_services_defaults(client: tasks_v2.CloudTasksClient, location: str) -> None:
    name = Queue(client, location).name
    got = client.get_queue(name=name)
    limits, retry = got.rate_limits, got.retry_config
    assert got.state == tasks_v2.Queue.State.RUNNING
    assert (limits.max_dispatches_per_second, limits.max_burst_size) == (500, 100)
    assert limits.max_concurrent_dispatches == 1000
    assert (retry.max_attempts, retry.max_doublings) == (100, 16)
    assert (retry.min_backoff, retry.max_backoff) == (timedelta(milliseconds=100), timedelta(hours=1))


def test_update_changes_what_the_mask_names_and_creates_what_is_missing(
    client: tasks_v2.CloudTasksClient, location: str, worker: Workplace
) -> None:
    name = f"{location}/queues/q"
    created = client.update_queue(queue=tasks_v2.Queue(name=name, retry_config={"max_attempts": 7}))
    assert (created.state, created.retry_config.max_attempts) == (tasks_v2.Queue.State.RUNNING, 7)
    client.pause_queue(name=name)
    change = {
        "name": name,
        "rate_limits": {"max_dispatches_per_second": 2},
        "retry_config": {"max_attempts": 9, "max_doublings": 0},
        "state": "RUNNING",
    }
    paths = ["rate_limits.max_dispatches_per_second", "retry_config.max_doublings", "state"]
    changed = client.update_queue(queue=tasks_v2.Queue(change), update_mask=field_mask_pb2.FieldMask(paths=paths))
    assert changed == client.get_queue(name=name)
    assert (changed.rate_limits.max_dispatches_per_second, changed.rate_limits.max_burst_size) == (2, 10)
    assert (changed.retry_config.max_attempts, changed.retry_config.max_doublings) == (7, 0)
    assert changed.state == tasks_v2.Queue.State.PAUSED
    replaced = client.update_queue(queue=tasks_v2.Queue(name=name))
    assert (replaced.retry_config.max_attempts, replaced.retry_config.max_doublings) == (100, 16)


def test_an_updated_retry_policy_holds_for_tasks_already_there(queue: Queue, worker: Workplace) -> None:
    worker.replies["/broken"] = [(500, {})] * 5
    queue.create_in(timedelta(hours=1), f"{worker.url}/broken", "t")
    queue.client.update_queue(queue=tasks_v2.Queue(name=queue.name, retry_config={"max_attempts": 1}))
    queue.client.run_task(name=queue.task_name("t"))
    queue.wait_until_gone("t")
    assert len(worker.received["/broken"]) == 1


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"http_request": {}}, "HttpRequest.url is required."),
        ({"http_request": {"url": "ftp://x"}}, "HttpTarget.url must start with 'http://' or 'https://'."),
        ({"http_request": {"url": "http://x", "http_method": "GET", "body": b"x"}}, "HttpRequest.body is allowed"),
        ({"http_request": {"url": "http://x", "body": b"x" * (1 << 20)}}, "Task size too large"),
        ({"dispatch_deadline": timedelta(seconds=14)}, "Task.dispatchDeadline must be between [15s, 30m]."),
        ({"dispatch_deadline": timedelta(minutes=31)}, "Task.dispatchDeadline must be between [15s, 30m]."),
        ({"schedule_time": datetime(2099, 1, 1, tzinfo=UTC)}, "Schedule time must be no more than 720h in the"),
        ({"name": "nonsense"}, "Task name must be formatted:"),
        ({"name": "{queue}-other/tasks/t"}, "must be the same as the queue name in the named task"),
        ({"name": "{queue}/tasks/not an id"}, 'Task ID "not an id" can contain only letters'),
        ({"retry_config": {"max_attempts": -2}}, "RetryConfig.maxAttempts must be greater or equal to -1."),
    ],
)
def test_a_task_that_the_service_refuses_is_refused(queue: Queue, task: dict[str, Any], message: str) -> None:
    named = {"name": task["name"].format(queue=queue.name)} if "name" in task else {}
    with pytest.raises(exceptions.InvalidArgument) as refused:
        refusable = tasks_v2.Task({"http_request": {"url": "http://x"}, **task, **named})
        queue.client.create_task(parent=queue.name, task=refusable)
    assert message in refused.value.message
    assert list(queue.client.list_tasks(parent=queue.name)) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "nonsense"}, "Queue name must be formatted:"),
        ({"name": "projects/other/locations/x/queues/q"}, "must begin with"),
        ({"rate_limits": {"max_dispatches_per_second": 501}}, "must be less than or equal to 500."),
        ({"rate_limits": {"max_dispatches_per_second": -1}}, "cannot be negative."),
        ({"rate_limits": {"max_concurrent_dispatches": 5001}}, "must be less than or equal to 5000."),
        ({"retry_config": {"max_doublings": -1}}, "RetryConfig.maxDoublings cannot be negative."),
        ({"retry_config": {"min_backoff": timedelta(hours=2)}}, "RetryConfig.minBackoff must be less than or"),
    ],
)
def test_a_queue_that_the_service_refuses_is_refused(
    client: tasks_v2.CloudTasksClient, location: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument) as refused:
        Queue(client, location, **{"name": f"{location}/queues/q", **settings})
    assert message in refused.value.message


def test_what_is_not_there_is_not_found(client: tasks_v2.CloudTasksClient, queue: Queue) -> None:
    absent = f"{queue.name}-absent"
    for call in (client.get_queue, client.pause_queue, client.resume_queue, client.purge_queue):
        with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
            call(name=absent)
    with pytest.raises(exceptions.NotFound, match=r"Requested entity was not found\."):
        client.delete_queue(name=absent)
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        client.create_task(parent=absent, task=tasks_v2.Task(http_request={"url": "http://x"}))
    for task_call in (client.get_task, client.delete_task, client.run_task):
        with pytest.raises(exceptions.NotFound, match=r"Requested entity was not found\."):
            task_call(name=queue.task_name("absent"))
    with pytest.raises(exceptions.AlreadyExists, match="Queue already exists"):
        client.create_queue(parent=queue.name.partition("/queues/")[0], queue=tasks_v2.Queue(name=queue.name))


def test_what_the_emulator_cannot_do_it_refuses(client: tasks_v2.CloudTasksClient, queue: Queue) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        client.create_task(parent=queue.name, task=tasks_v2.Task(app_engine_http_request={"relative_uri": "/"}))
    with pytest.raises(exceptions.MethodNotImplemented):
        client.update_queue(queue=tasks_v2.Queue(name=queue.name, http_target={"http_method": "GET"}))
    with pytest.raises(exceptions.MethodNotImplemented):
        list(client.list_queues({"parent": queue.name.partition("/queues/")[0], "filter": "state:PAUSED"}))


def test_an_attempt_without_an_answer_ends_at_its_deadline(worker: Workplace, identity: LocalIdentity) -> None:
    payload = tasks_v2.Task.pb()()
    payload.http_request.url = f"{worker.url}/stuck"
    payload.dispatch_deadline.FromMilliseconds(50)
    moment = datetime.now(UTC)
    task = Task("projects/p/locations/l/queues/q/tasks/t", payload, moment, moment, dispatch_count=1)

    async def attempt() -> Outcome:
        sender, heard = Worker(identity), asyncio.get_running_loop().create_future()
        sender.begin(task, lambda _, outcome: heard.set_result(outcome))
        outcome: Outcome = await asyncio.wait_for(heard, PATIENCE_S / 3)
        await sender.close()
        return outcome

    with worker.waiting("/stuck"):
        assert asyncio.run(attempt()) == Outcome(504, responded=False)


def test_stopping_ends_attempts_timers_and_calls(worker: Workplace, identity: LocalIdentity) -> None:
    def work(port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
            kept, deleted = (Queue(client, LOCATION.format(project)) for project in ("kept", "deleted"))
            for queue in (kept, deleted):
                queue.create(f"{worker.url}/hanging")
                queue.create_in(timedelta(milliseconds=20), f"{worker.url}/stale")
            worker.arrivals("/hanging", 2)
            client.pause_queue(name=kept.name)
            client.delete_queue(name=deleted.name)

    async def life() -> list[asyncio.Task[Any]]:
        emulator = CloudTasksEmulator(identity)
        await asyncio.to_thread(work, await emulator.start("127.0.0.1", 0))
        async with asyncio.timeout(PATIENCE_S / 2):  # the worker would hang for longer
            await emulator.stop()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    with worker.waiting("/hanging"):
        assert asyncio.run(life()) == []


def test_a_taken_port_is_an_error(identity: LocalIdentity) -> None:
    async def start_twice() -> None:
        first, second = CloudTasksEmulator(identity), CloudTasksEmulator(identity)
        port = await first.start("127.0.0.1", 0)
        try:
            with pytest.raises(RuntimeError, match=str(port)):
                await second.start("127.0.0.1", port)
        finally:
            await first.stop()
            await second.stop()

    asyncio.run(start_twice())
