"""The local Cloud Tasks: google.cloud.tasks.v2.CloudTasks over gRPC, dispatching to real HTTP workers.

One attempt of a task is under way at a time, whatever is called meanwhile. The real service promises at
least one and lets RunTask start a second beside the first; here RunTask of a running task only shows it.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.cloud import tasks_v2
from google.protobuf import empty_pb2, field_mask_pb2

from emulators import task_messages as messages
from emulators.identity import LocalIdentity
from emulators.task_dispatch import DispatchedQueue, Worker
from emulators.task_messages import QueueMessage, Refusal, Refused, invalid, unimplemented
from emulators.task_queue import TaskExists, TaskGone, TaskNameReserved, TaskUnknown

SERVICE = "google.cloud.tasks.v2.CloudTasks"
QUEUE_NAME_RESERVED_FOR = timedelta(days=7)
MAX_QUEUE_PAGE = 9800
MAX_TASK_PAGE = 1000
OUTPUT_ONLY = frozenset({"name", "state", "purge_time", "rate_limits.max_burst_size"})
SETTINGS = (
    "rate_limits",
    "retry_config",
    "stackdriver_logging_config",
    "http_target",
    "app_engine_routing_override",
)

NO_QUEUE = Refusal(
    grpc.StatusCode.NOT_FOUND,
    "Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize.",
)
NOT_FOUND = Refusal(grpc.StatusCode.NOT_FOUND, "Requested entity was not found.")
QUEUE_EXISTS = Refusal(grpc.StatusCode.ALREADY_EXISTS, "Queue already exists")
QUEUE_NAME_RESERVED = Refusal(
    grpc.StatusCode.FAILED_PRECONDITION,
    "The queue cannot be created because a queue with this name existed too recently.",
)
TASK_REFUSALS: dict[type[Exception], Refusal] = {
    TaskUnknown: NOT_FOUND,
    TaskGone: Refusal(
        grpc.StatusCode.NOT_FOUND,
        "The task no longer exists, though a task with this name existed recently."
        " The task either successfully completed or was deleted.",
    ),
    TaskExists: Refusal(grpc.StatusCode.ALREADY_EXISTS, "Requested entity already exists"),
    TaskNameReserved: Refusal(
        grpc.StatusCode.ALREADY_EXISTS,
        "The task cannot be created because a task with this name existed too recently."
        " For more information about task de-duplication see https://cloud.google.com/tasks/docs/reference"
        "/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task.",
    ),
}


class CloudTasksEmulator:
    """Queues of any number of projects behind one port."""

    def __init__(self, identity: LocalIdentity) -> None:
        self._identity = identity
        self._queues: dict[str, DispatchedQueue] = {}
        self._reserved_queue_names: dict[str, datetime] = {}

    async def start(self, host: str, port: int) -> int:
        """Serve on the port, or on a free one for 0; gives back which."""
        self._worker = Worker(self._identity)
        # Without this a second emulator on the same port would silently get half of the calls.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handlers = grpc.method_handlers_generic_handler(SERVICE, self._handlers())
        self._server.add_generic_rpc_handlers((handlers,))
        bound: int = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return bound

    async def stop(self) -> None:
        """End every call and every attempt at once."""
        await self._server.stop(grace=None)
        for queue in self._queues.values():
            queue.close()
        await self._worker.close()

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        rpcs: dict[str, tuple[Callable[[Any], Any], Any]] = {
            "CreateQueue": (self._create_queue, tasks_v2.CreateQueueRequest),
            "UpdateQueue": (self._update_queue, tasks_v2.UpdateQueueRequest),
            "GetQueue": (self._get_queue, tasks_v2.GetQueueRequest),
            "ListQueues": (self._list_queues, tasks_v2.ListQueuesRequest),
            "DeleteQueue": (self._delete_queue, tasks_v2.DeleteQueueRequest),
            "PurgeQueue": (self._purge_queue, tasks_v2.PurgeQueueRequest),
            "PauseQueue": (self._pause_queue, tasks_v2.PauseQueueRequest),
            "ResumeQueue": (self._resume_queue, tasks_v2.ResumeQueueRequest),
            "CreateTask": (self._create_task, tasks_v2.CreateTaskRequest),
            "GetTask": (self._get_task, tasks_v2.GetTaskRequest),
            "ListTasks": (self._list_tasks, tasks_v2.ListTasksRequest),
            "DeleteTask": (self._delete_task, tasks_v2.DeleteTaskRequest),
            "RunTask": (self._run_task, tasks_v2.RunTaskRequest),
        }
        return {name: _handler(answer, request) for name, (answer, request) in rpcs.items()}

    def _create_queue(self, request: Any) -> Any:
        messages.check_location(request.parent)
        messages.check_queue(request.queue)
        name = request.queue.name
        if not name.startswith(f"{request.parent}/queues/"):
            raise invalid(f"{name} must begin with {request.parent}.")
        if name in self._queues:
            raise Refused(QUEUE_EXISTS)
        return self._open_queue(messages.with_queue_defaults(request.queue))

    def _update_queue(self, request: Any) -> Any:
        messages.check_queue(request.queue)
        mask = request.update_mask
        if not mask.IsValidForDescriptor(QueueMessage.DESCRIPTOR):
            raise invalid("update_mask names a field that a queue does not have.")
        paths = [path for path in mask.paths if path not in OUTPUT_ONLY] if mask.paths else SETTINGS
        change = messages.with_queue_defaults(request.queue, explicit=paths)
        queue = self._queues.get(request.queue.name)
        if queue is None:
            return self._open_queue(change)
        merged = QueueMessage()
        merged.CopyFrom(queue.message)
        field_mask_pb2.FieldMask(paths=paths).MergeMessage(change, merged, replace_message_field=True)
        messages.check_queue(merged)
        merged.rate_limits.max_burst_size = messages.burst_size(merged.rate_limits.max_dispatches_per_second)
        queue.configure(merged)
        return merged

    def _open_queue(self, message: Any) -> Any:
        reserved_until = self._reserved_queue_names.get(message.name)
        if reserved_until and reserved_until > _now():
            raise Refused(QUEUE_NAME_RESERVED)
        message.state = tasks_v2.Queue.State.RUNNING
        message.ClearField("purge_time")
        self._queues[message.name] = DispatchedQueue(message, self._worker)
        return message

    def _queue(self, name: str) -> DispatchedQueue:
        queue = self._queues.get(name)
        if queue is None:
            raise Refused(NO_QUEUE)
        return queue

    def _queue_of_task(self, task_name: str) -> DispatchedQueue:
        queue = self._queues.get(task_name.partition("/tasks/")[0])
        if queue is None:
            raise Refused(NO_QUEUE)
        return queue

    def _get_queue(self, request: Any) -> Any:
        return self._queue(request.name).message

    def _list_queues(self, request: Any) -> Any:
        messages.check_location(request.parent)
        if request.filter:
            raise unimplemented("ListQueuesRequest.filter")
        size, after = _page(request, MAX_QUEUE_PAGE)
        prefix = f"{request.parent}/queues/"
        names = sorted(name for name in self._queues if name.startswith(prefix) and name > after)
        page = names[:size]
        reply = tasks_v2.ListQueuesResponse.pb()(queues=[self._queues[name].message for name in page])
        reply.next_page_token = _page_token(page[-1]) if len(names) > size else ""
        return reply

    def _delete_queue(self, request: Any) -> Any:
        queue = self._queues.pop(request.name, None)
        if queue is None:
            raise Refused(NOT_FOUND)
        queue.close()
        self._reserved_queue_names[request.name] = _now() + QUEUE_NAME_RESERVED_FOR
        return empty_pb2.Empty()

    def _purge_queue(self, request: Any) -> Any:
        queue = self._queue(request.name)
        queue.message.purge_time.FromDatetime(_now())
        queue.tasks.purge(_now())
        return queue.message

    def _pause_queue(self, request: Any) -> Any:
        queue = self._queue(request.name)
        queue.message.state = tasks_v2.Queue.State.PAUSED
        queue.tasks.paused = True
        return queue.message

    def _resume_queue(self, request: Any) -> Any:
        queue = self._queue(request.name)
        queue.message.state = tasks_v2.Queue.State.RUNNING
        queue.tasks.paused = False
        queue.dispatch()
        return queue.message

    def _create_task(self, request: Any) -> Any:
        queue, now = self._queue(request.parent), _now()
        messages.check_task(request.task, request.parent, now)
        name = request.task.name or f"{request.parent}/tasks/{secrets.randbits(63)}"
        task = queue.tasks.add(
            name,
            messages.stored_task(request.task),
            request.task.schedule_time.ToDatetime(UTC),
            now,
            messages.task_retry(request.task),
        )
        queue.dispatch()
        return messages.task_message(task, request.response_view)

    def _get_task(self, request: Any) -> Any:
        task = self._queue_of_task(request.name).tasks.get(request.name, _now())
        return messages.task_message(task, request.response_view)

    def _list_tasks(self, request: Any) -> Any:
        queue = self._queue(request.parent)
        size, after = _page(request, MAX_TASK_PAGE)
        found = queue.tasks.page(after, size + 1)
        page = found[:size]
        shown = [messages.task_message(task, request.response_view) for task in page]
        reply = tasks_v2.ListTasksResponse.pb()(tasks=shown)
        reply.next_page_token = _page_token(page[-1].name) if len(found) > size else ""
        return reply

    def _delete_task(self, request: Any) -> Any:
        self._queue_of_task(request.name).tasks.delete(request.name, _now())
        return empty_pb2.Empty()

    def _run_task(self, request: Any) -> Any:
        queue, now = self._queue_of_task(request.name), _now()
        begun = queue.tasks.force(request.name, now)
        if begun:
            queue.begin(begun)
        task = begun or queue.tasks.get(request.name, now)
        return messages.task_message(task, request.response_view)


def _handler(answer: Callable[[Any], Any], request: Any) -> grpc.RpcMethodHandler:
    async def call(message: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return answer(message)
        except Refused as refused:
            refusal = refused.refusal
        except tuple(TASK_REFUSALS) as refused:
            refusal = TASK_REFUSALS[type(refused)]
        await context.abort(refusal.code, refusal.message)

    return grpc.unary_unary_rpc_method_handler(
        call,
        request_deserializer=request.pb().FromString,
        response_serializer=lambda reply: reply.SerializeToString(),
    )


def _page(request: Any, largest: int) -> tuple[int, str]:
    """The page size to serve and the name it begins behind."""
    if request.page_size < 0:
        raise invalid("Page size must not be negative.")
    size = min(request.page_size or largest, largest)
    try:
        return size, urlsafe_b64decode(request.page_token).decode()
    except ValueError:
        raise invalid("Invalid page token.") from None


def _page_token(last: str) -> str:
    return urlsafe_b64encode(last.encode()).decode()


def _now() -> datetime:
    return datetime.now(UTC)
