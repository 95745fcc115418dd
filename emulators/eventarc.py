"""The stand-in for Eventarc: what the Firestore emulator says of created documents becomes what the cloud delivers.

Started with --functions_emulator, the Firestore emulator posts an event for each write that a trigger matches, once,
without a token, and forgets it. Here it is put right, signed, and delivered until the function accepts it.
(A snapshot listener would do without that, but slows every commit of the emulator by the size of the collection.)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from emulators.private_call import PrivateCaller

log = logging.getLogger(__name__)

CREATED: Final = "google.cloud.firestore.document.v1.created"
PATTERN: Final = re.compile(r"[^/{}]+/\{\w+\}(/[^/{}]+/\{\w+\})*")
AT_ONCE: Final = 32
# The cloud retries for a day; a local mistake should not shout for so long.
ATTEMPTS: Final = 10
FIRST_BACKOFF_S: Final = 0.2
LONGEST_BACKOFF_S: Final = 10.0
TIMEOUT_S: Final = 60.0


class Trigger(BaseModel):
    """What to call for which documents, such as those of `outbox/{entryId}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    document: str
    url: str

    @field_validator("document")
    @classmethod
    def _names_documents(cls, pattern: str) -> str:
        if not PATTERN.fullmatch(pattern):
            raise ValueError(f"{pattern!r} is no pattern of documents such as outbox/{{entryId}}")
        return pattern


class Triggers(BaseModel):
    """All triggers of a project."""

    model_config = ConfigDict(extra="forbid")
    triggers: tuple[Trigger, ...]


@dataclass
class Delivery:
    """A trigger at work."""

    trigger: Trigger
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    under_way: set[asyncio.Task[None]] = field(default_factory=set)


class Eventarc:
    """The triggers of every project."""

    def __init__(self, firestore: str, location: str, caller: PrivateCaller) -> None:
        self._firestore = httpx.AsyncClient(base_url=f"http://{firestore}", trust_env=False, timeout=TIMEOUT_S)
        self._location = location
        self._caller = caller
        self._deliveries: dict[tuple[str, str], Delivery] = {}
        # The emulator cannot take a trigger back, and one told twice would fire twice.
        self._told: set[tuple[str, str]] = set()
        self._lock = asyncio.Lock()

    async def put(self, project: str, triggers: tuple[Trigger, ...]) -> None:
        """Make these the project's triggers. Every document created after the return is delivered."""
        wanted = {(project, trigger.name): trigger for trigger in triggers}
        async with self._lock:
            for key in [key for key in self._deliveries if key[0] == project]:
                if wanted.get(key) != self._deliveries[key].trigger:
                    _cancel(self._deliveries.pop(key))
            for key, trigger in wanted.items():
                if key not in self._deliveries:
                    self._deliveries[key] = Delivery(trigger)
                await self._tell(project, trigger)

    async def close(self) -> None:
        for delivery in self._deliveries.values():
            _cancel(delivery)
        self._deliveries.clear()
        await self._firestore.aclose()

    def accept(self, project: str, emulator_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """Queue one event of the Firestore emulator for whichever trigger wants it."""
        for (owner, name), delivery in self._deliveries.items():
            if owner == project and _emulator_id(delivery.trigger) == emulator_id:
                event = self._as_in_the_cloud(project, headers)
                task = asyncio.create_task(self._deliver(delivery, event, _decoded(body)), name=name)
                delivery.under_way.add(task)
                task.add_done_callback(delivery.under_way.discard)

    def _as_in_the_cloud(self, project: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The event's headers, without the emulator's doubled "projects/" and with the database's location."""
        event = {name: value for name, value in headers.items() if name.startswith("ce-")}
        event |= {
            "ce-source": f"//firestore.googleapis.com/projects/{project}/databases/{event['ce-database']}",
            "ce-location": self._location,
            "content-type": "application/protobuf",
        }
        return event

    async def _deliver(self, delivery: Delivery, event: dict[str, str], body: bytes) -> None:
        url = delivery.trigger.url
        for attempt in range(ATTEMPTS):
            async with delivery.slots:
                status = await self._caller.post(url, body, event)
            if 200 <= status < 300:
                return
            # It waits outside the slots, so that a failing event holds up nobody else.
            await asyncio.sleep(min(FIRST_BACKOFF_S * 2**attempt, LONGEST_BACKOFF_S))
        log.error("%s: gave up on %s after %d attempts", url, event["ce-document"], ATTEMPTS)

    async def _tell(self, project: str, trigger: Trigger) -> None:
        """Have the Firestore emulator post this trigger's events here."""
        identifier = _emulator_id(trigger)
        if (project, identifier) in self._told:
            return
        reply = await self._firestore.post(
            f"/emulator/v1/projects/{project}/eventarcTrigger",
            params={"eventarcTriggerId": identifier},
            json={
                "eventType": CREATED,
                "database": "(default)",
                "namespace": "(default)",
                "document": {"value": trigger.document, "matchType": "PATH_PATTERN"},
            },
        )
        reply.raise_for_status()
        self._told.add((project, identifier))

    def routes(self) -> list[Route]:
        """PUT and DELETE /eventarc/{project} for us; the Functions emulator's address for the Firestore emulator."""

        async def control(request: Request) -> Response:
            project = request.path_params["project"]
            if request.method == "DELETE":
                await self.put(project, ())
                return Response(status_code=204)
            try:
                body = Triggers.model_validate_json(await request.body())
            except ValidationError as refused:
                return JSONResponse({"error": str(refused)}, status_code=422)
            await self.put(project, body.triggers)
            return JSONResponse({"listening": [trigger.name for trigger in body.triggers]})

        async def happened(request: Request) -> Response:
            names = request.path_params
            self.accept(names["project"], names["trigger"], request.headers, await request.body())
            return Response(status_code=200)

        return [
            Route("/eventarc/{project}", control, methods=["PUT", "DELETE"]),
            Route("/functions/projects/{project}/triggers/{trigger}", happened, methods=["POST"]),
        ]


def _emulator_id(trigger: Trigger) -> str:
    """A changed pattern needs a trigger of its own in the emulator, so the pattern is part of the name."""
    return f"{trigger.name}-{trigger.document.encode().hex()}"


def _decoded(body: bytes) -> bytes:
    """The DocumentEventData. The emulator writes it as base64, in which a protobuf message never begins."""
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return body


def _cancel(delivery: Delivery) -> None:
    for task in delivery.under_way:
        task.cancel()
