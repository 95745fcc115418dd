"""The Eventarc stand-in against the real Firestore emulator: the event's form, none twice, none lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
import uvicorn
from google.cloud.firestore import SERVER_TIMESTAMP, AsyncClient
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from emulators.eventarc import ATTEMPTS, Eventarc, Trigger
from emulators.identity import LocalIdentity
from emulators.private_call import PrivateCaller
from emulators.processes import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from starlette.requests import Request


@dataclass
class Received:
    """What a function got, and how it answers."""

    url: str = ""
    events: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[dict[str, str]], int] = lambda _: 204

    def documents(self) -> Counter[str]:
        return Counter(headers["ce-document"] for headers, _ in self.events)

    async def until(self, count: int, within_s: float = 20) -> None:
        deadline = time.monotonic() + within_s
        while len(self.events) < count:
            assert time.monotonic() < deadline, f"{len(self.events)} of {count} events"
            await asyncio.sleep(0.02)


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def function() -> AsyncIterator[Received]:
    received = Received()

    async def receive(request: Request) -> Response:
        headers = dict(request.headers)
        received.events.append((headers, await request.body()))
        return Response(status_code=received.answer(headers))

    app = Starlette(routes=[Route("/triggers/relay", receive, methods=["POST"])])
    server = Server(uvicorn.Config(app, host=HOST, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    received.url = f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}/triggers/relay"
    try:
        yield received
    finally:
        server.should_exit = True
        await serving


@dataclass(frozen=True)
class Bench:
    project: str
    database: AsyncClient
    services: httpx.AsyncClient
    received: Received

    async def listen(self, document: str = "outbox/{entryId}") -> httpx.Response:
        trigger = {"name": "relay", "document": document, "url": self.received.url}
        return await self.services.put(f"/eventarc/{self.project}", json={"triggers": [trigger]})

    async def create(self, *names: str) -> None:
        outbox = self.database.collection("outbox")
        for start in range(0, len(names), 25):
            await asyncio.gather(*(outbox.document(name).create({"n": 1}) for name in names[start : start + 25]))


def with_bench(test: Callable[[Bench], Awaitable[None]]) -> None:
    """Run a scenario against the local cloud's services, in a project of its own."""

    async def run() -> None:
        project = f"demo-{uuid.uuid4().hex[:12]}"
        database = AsyncClient(project=project)
        services = httpx.AsyncClient(base_url=os.environ["LOCAL_SERVICES_URL"], trust_env=False, timeout=30)
        async with function() as received, services:
            try:
                await test(Bench(project, database, services, received))
            finally:
                await services.delete(f"/eventarc/{project}")
                await database._firestore_api.transport.close()

    asyncio.run(run())


def document_event_data() -> Any:
    """The message class, from google/events/cloud/firestore/v1/data.proto as far as the test's fields go."""
    kinds = descriptor_pb2.FieldDescriptorProto
    package = "google.events.cloud.firestore.v1"
    file = descriptor_pb2.FileDescriptorProto(
        name="data.proto",
        package=package,
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
    )

    def message(name: str, *fields: tuple[str, int, Any, bool], parent: Any = None) -> Any:
        made = (parent.nested_type if parent else file.message_type).add(name=name)
        for field_name, number, kind, repeated in fields:
            added = made.field.add(
                name=field_name, number=number, label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            )
            if isinstance(kind, str):
                added.type, added.type_name = kinds.TYPE_MESSAGE, kind
            else:
                added.type = kind
        return made

    def field_map(parent: Any, number: int) -> None:
        entry = message(
            "FieldsEntry", ("key", 1, kinds.TYPE_STRING, False), ("value", 2, f".{package}.Value", False), parent=parent
        )
        entry.options.map_entry = True
        path = f".{package}.{parent.name}.FieldsEntry"
        parent.field.add(
            name="fields", number=number, label=kinds.LABEL_REPEATED, type=kinds.TYPE_MESSAGE, type_name=path
        )

    stamp = ".google.protobuf.Timestamp"
    message(
        "DocumentEventData",
        ("value", 1, f".{package}.Document", False),
        ("old_value", 2, f".{package}.Document", False),
    )
    document = message(
        "Document",
        ("name", 1, kinds.TYPE_STRING, False),
        ("create_time", 3, stamp, False),
        ("update_time", 4, stamp, False),
    )
    field_map(document, 2)
    message(
        "Value",
        ("boolean_value", 1, kinds.TYPE_BOOL, False),
        ("integer_value", 2, kinds.TYPE_INT64, False),
        ("double_value", 3, kinds.TYPE_DOUBLE, False),
        ("map_value", 6, f".{package}.MapValue", False),
        ("array_value", 9, f".{package}.ArrayValue", False),
        ("timestamp_value", 10, stamp, False),
        ("string_value", 17, kinds.TYPE_STRING, False),
    )
    field_map(message("MapValue"), 1)
    message("ArrayValue", ("values", 1, f".{package}.Value", True))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.DocumentEventData"))


def test_a_created_document_arrives_as_the_cloud_sends_it() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.listen()
        at = datetime(2026, 5, 1, 20, 30, tzinfo=UTC)
        text = "x" * 300  # longer than one length byte can say
        content = {"type": "order.paid", "text": text, "units": [1, 2], "amount": {"minor": 450_000}, "at": at}
        await bench.database.collection("outbox").document("first").create(content)
        await bench.received.until(1)
        headers, body = bench.received.events[0]
        assert {name: value for name, value in headers.items() if name.startswith("ce-")}.items() >= {
            "ce-specversion": "1.0",
            "ce-type": "google.cloud.firestore.document.v1.created",
            "ce-source": f"//firestore.googleapis.com/projects/{bench.project}/databases/(default)",
            "ce-subject": "documents/outbox/first",
            "ce-document": "outbox/first",
            "ce-project": bench.project,
            "ce-database": "(default)",
            "ce-namespace": "(default)",
            "ce-location": "asia-south1",
        }.items()
        assert headers["content-type"] == "application/protobuf"
        assert uuid.UUID(headers["ce-id"])
        assert abs(datetime.fromisoformat(headers["ce-time"]).timestamp() - time.time()) < 60

        event = document_event_data().FromString(body)
        assert not event.HasField("old_value")
        assert event.value.name == f"projects/{bench.project}/databases/(default)/documents/outbox/first"
        assert event.value.create_time == event.value.update_time
        fields = event.value.fields
        assert fields["text"].string_value == text
        assert [value.integer_value for value in fields["units"].array_value.values] == [1, 2]
        assert fields["amount"].map_value.fields["minor"].integer_value == 450_000
        assert fields["at"].timestamp_value.ToDatetime(UTC) == at

        keys = (await bench.services.get(os.environ["OIDC_KEYS_URL"])).json()
        key = jwt.PyJWK(keys["keys"][0])
        token = headers["authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, key, ["RS256"], audience=bench.received.url, issuer="https://accounts.google.com")
        assert (claims["email"], claims["email_verified"]) == (os.environ["INVOKER_SERVICE_ACCOUNT"], True)

    with_bench(scenario)


def test_hundreds_at_once_each_once_and_nothing_from_before() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.create("old-1", "old-2")
        await bench.listen()
        names = [f"new-{number}" for number in range(600)]
        await bench.create(*names)
        await bench.received.until(600)
        await bench.listen()  # again, as a second deployment does
        await asyncio.sleep(0.3)
        assert bench.received.documents() == Counter(f"outbox/{name}" for name in names)

    with_bench(scenario)


def test_only_creation_counts_and_a_name_used_again_is_a_new_event() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.listen()
        document = bench.database.collection("outbox").document("again")
        await document.create({"n": 1})
        await bench.received.until(1)
        await document.update({"n": 2})
        await bench.database.collection("orders").document("other").create({"n": 1})
        await document.delete()
        await document.create({"n": 3})
        await bench.received.until(2)
        await asyncio.sleep(0.3)
        assert bench.received.documents() == {"outbox/again": 2}
        assert len({headers["ce-id"] for headers, _ in bench.received.events}) == 2

    with_bench(scenario)


def test_a_failed_delivery_is_repeated_as_the_same_event_and_delays_nobody() -> None:
    async def scenario(bench: Bench) -> None:
        lucky = [f"lucky-{number}" for number in range(60)]
        delivered = asyncio.Event()

        def answer(headers: dict[str, str]) -> int:
            """The unlucky one fails until all others have arrived: if it held them up, that would be never."""
            if headers["ce-document"] != "outbox/unlucky":
                return 204
            arrived = bench.received.documents().keys() >= {f"outbox/{name}" for name in lucky}
            if arrived:
                delivered.set()
            return 204 if arrived else 503

        bench.received.answer = answer
        await bench.listen()
        await bench.create("unlucky")
        await bench.create(*lucky)
        await asyncio.wait_for(delivered.wait(), 30)
        tries = [headers["ce-id"] for headers, _ in bench.received.events if headers["ce-document"].endswith("unlucky")]
        assert len(tries) > 1
        assert len(set(tries)) == 1

    with_bench(scenario)


def test_it_gives_up_after_its_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.eventarc.LONGEST_BACKOFF_S", 0.01)

    async def scenario() -> None:
        caller = PrivateCaller(LocalIdentity(), "invoker@test.iam.gserviceaccount.com")
        eventarc = Eventarc(os.environ["FIRESTORE_EMULATOR_HOST"], "asia-south1", caller)
        async with function() as received:
            received.answer = lambda _: 500
            await eventarc.put("demo-hopeless", (Trigger(name="relay", document="outbox/{id}", url=received.url),))
            [(_, identifier)] = eventarc._told
            headers = {"ce-id": "1", "ce-document": "outbox/hopeless", "ce-database": "(default)"}
            eventarc.accept("demo-hopeless", identifier, headers, b"")
            await received.until(ATTEMPTS)
            await asyncio.sleep(0.3)
            assert len(received.events) == ATTEMPTS
            await eventarc.close()
            await caller.close()

    asyncio.run(scenario())


def test_a_removed_trigger_is_silent_and_projects_do_not_mix() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.listen()
        stranger = AsyncClient(project=f"demo-{uuid.uuid4().hex[:12]}")
        await stranger.collection("outbox").document("theirs").create({"n": 1})
        await stranger._firestore_api.transport.close()
        await bench.create("mine")
        await bench.received.until(1)
        await bench.services.delete(f"/eventarc/{bench.project}")
        await bench.create("unheard")
        await asyncio.sleep(0.5)
        assert bench.received.documents() == {"outbox/mine": 1}

    with_bench(scenario)


def test_a_trigger_can_come_back_and_change_its_pattern() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.listen()
        await bench.services.delete(f"/eventarc/{bench.project}")
        await bench.listen()
        await bench.create("once")
        await bench.received.until(1)
        await bench.listen("posts/{postId}")
        await bench.create("unheard")
        await bench.database.collection("posts").document("heard").create({"n": 1})
        await bench.received.until(2)
        await asyncio.sleep(0.3)
        assert bench.received.documents() == {"outbox/once": 1, "posts/heard": 1}

    with_bench(scenario)


def test_a_commit_of_many_documents_is_as_many_events() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.listen()
        batch = bench.database.batch()
        for number in range(200):
            batch.create(bench.database.collection("outbox").document(f"{number}"), {"at": SERVER_TIMESTAMP})
        await batch.commit()
        await bench.received.until(200)
        await asyncio.sleep(0.2)
        assert set(bench.received.documents().values()) == {1}
        assert len(bench.received.documents()) == 200

    with_bench(scenario)


@pytest.mark.parametrize(
    "pattern", ["", "outbox", "outbox/fixed", "outbox/{id=**}", "outbox/{id}/parts", "/outbox/{id}"]
)
def test_other_patterns_are_refused(pattern: str) -> None:
    async def scenario(bench: Bench) -> None:
        refused = await bench.listen(pattern)
        assert refused.status_code == 422
        assert "is no pattern of documents" in refused.json()["error"]

    with_bench(scenario)
