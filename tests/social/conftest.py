"""Events that people do something with, and the tasks that count it, run by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from common import clients
from tests.operations.jobs import Jobs
from tests.support.people import Json, accepted, publish_event

if TYPE_CHECKING:
    import httpx

    from tests.support.people import Person, SigningKeys
    from tests.support.server import GatewayThread


@dataclass(frozen=True)
class Night:
    """A published event with its listing, of which nothing is counted by itself."""

    gateway: GatewayThread
    jobs: Jobs
    event: Json

    @property
    def event_id(self) -> str:
        return str(self.event["eventId"])

    @property
    def path(self) -> str:
        return f"/v1/events/{self.event_id}"

    def count(self, counted: str) -> None:
        """Run the task that counts this."""
        accepted(self.jobs.call("refresh_counts", {"eventId": self.event_id, "counted": counted}))

    def document(self, path: str) -> Json:
        """The fields of a document; none where it does not exist."""

        async def read() -> Json:
            return (await clients.firestore().document(path).get()).to_dict() or {}

        return self.gateway.run(read())

    @property
    def listing(self) -> Json:
        return self.document(f"listings/{self.event_id}")

    def write(self, path: str, fields: Json) -> None:
        """Write fields of a document beside our functions."""

        async def put() -> None:
            await clients.firestore().document(path).set(fields, merge=True)

        self.gateway.run(put())


@pytest.fixture
def jobs(anonymous: httpx.Client, signing_keys: SigningKeys) -> Jobs:
    return Jobs(anonymous, signing_keys)


def listed(gateway: GatewayThread, jobs: Jobs, owner: Person, **more: Any) -> Night:
    """A published event of this owner with its listing."""
    night = Night(gateway, jobs, publish_event(owner, **more))
    accepted(jobs.call("refresh_listing", {"eventId": night.event_id}))
    return night


def began(hours: float = -1) -> Json:
    """The times of a night of six hours that began so long ago."""
    starts = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    return {"startsAt": starts.isoformat(), "endsAt": (starts + timedelta(hours=6)).isoformat()}


@pytest.fixture
def night(gateway: GatewayThread, jobs: Jobs, host: Person) -> Night:
    """One that is two days away."""
    return listed(gateway, jobs, host)


@pytest.fixture
def tonight(gateway: GatewayThread, jobs: Jobs, host: Person) -> Night:
    """One that has begun."""
    return listed(gateway, jobs, host, **began())
