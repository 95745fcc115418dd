"""Sows the events of seed_data through the public API, as the hosts' own apps would: phone sign-in, then HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from emulators.seed_data import (
    SeedDescription,
    SeedEvent,
    SeedOrganization,
    SeedTour,
    descriptions,
    events,
    organizations,
    tours_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

IN_FLIGHT: Final = 8
REQUEST_TIMEOUT_S: Final = 60
LONGEST_WAIT_S: Final = 90
LINE_EVERY: Final = 50


class SeedRefused(Exception):
    """The seed cannot go on; the message carries the words of whoever refused it."""


@dataclass(frozen=True)
class Sown:
    organizations: int
    events: int


@dataclass(frozen=True)
class _Host:
    """A signed-in owner, their organization, and its tours by their titles."""

    organization: SeedOrganization
    org_id: str
    token: str
    tours: dict[str, str]


@dataclass
class _LocalCloud:
    """Where the seed goes: the gateway, the Auth emulator, and how many requests are under way."""

    client: httpx.AsyncClient
    gateway_url: str
    auth_url: str
    project: str
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def send(self, method: str, url: str, accepts: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """The answer, once it is a success or one of `accepts`; too many requests are asked again when told."""
        while True:
            try:
                async with self.gate:
                    response = await self.client.request(method, url, **options)
            except httpx.HTTPError as failure:
                raise SeedRefused(f"{method} {url} got no answer: {failure!r}") from failure
            if response.is_success or response.status_code in accepts:
                return response
            wait = response.headers.get("retry-after", "")
            if response.status_code != 429 or not wait.isdigit() or int(wait) > LONGEST_WAIT_S:
                raise SeedRefused(f"{method} {url} answered {response.status_code}: {response.text}")
            await asyncio.sleep(int(wait))

    async def call(
        self,
        method: str,
        path: str,
        token: str,
        body: Any = None,
        key: str | None = None,
        accepts: tuple[int, ...] = (),
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        return await self.send(method, self.gateway_url + path, accepts, json=body, headers=headers)


async def sow(
    client: httpx.AsyncClient,
    gateway_url: str,
    auth_host: str,
    project: str,
    now: datetime,
    tell: Callable[[int, int], None],
) -> Sown:
    """Create and publish every event; a second run on the same day finds its own work and repeats nothing."""
    cloud = _LocalCloud(client, gateway_url.rstrip("/"), f"http://{auth_host}", project)
    planned = events(now)
    done = 0

    async def plant(host: _Host, event: SeedEvent) -> None:
        nonlocal done
        await _publish(cloud, host, event)
        done += 1
        tell(done, len(planned))

    tell(0, len(planned))
    try:
        async with asyncio.TaskGroup() as signing_in:
            tasks = [signing_in.create_task(_host(cloud, each)) for each in organizations()]
        hosts = {task.result().organization.name: task.result() for task in tasks}
        async with asyncio.TaskGroup() as planting:
            for event in planned:
                planting.create_task(plant(hosts[event.organization.name], event))
        async with asyncio.TaskGroup() as describing:
            for said in descriptions(planned):
                describing.create_task(_describe(cloud, hosts[said.organization.name], said))
    except ExceptionGroup as failures:
        # The first says why; those after it are mostly its echo.
        raise failures.exceptions[0] from None
    return Sown(len(hosts), done)


async def _host(cloud: _LocalCloud, organization: SeedOrganization) -> _Host:
    token = await _sign_in(cloud, organization.host_phone)
    await cloud.call("POST", "/v1/session", token, {})
    body = {"name": organization.name, "country": organization.country, "currency": organization.currency}
    made = await cloud.call(
        "POST", "/v1/organizations", token, body, key=f"seed-organization-{organization.host_phone.lstrip('+')}"
    )
    org_id = made.json()["orgId"]
    await cloud.call("PATCH", f"/v1/organizations/{org_id}", token, {"description": organization.about})
    begun = {each.title: await _tour_id(cloud, token, org_id, each) for each in tours_of(organization)}
    return _Host(organization, org_id, token, begun)


async def _tour_id(cloud: _LocalCloud, token: str, org_id: str, tour: SeedTour) -> str:
    body = {"orgId": org_id, "title": tour.title, "description": tour.about}
    key = f"seed-tour-{tour.title.replace(' ', '-')}"
    tour_id: str = (await cloud.call("POST", "/v1/tours", token, body, key=key)).json()["tourId"]
    return tour_id


async def _sign_in(cloud: _LocalCloud, phone: str) -> str:
    """What a phone does, with the code read from the Auth emulator instead of an SMS."""
    accounts = f"{cloud.auth_url}/identitytoolkit.googleapis.com/v1/accounts"
    key = {"key": "any"}
    sent = await cloud.send("POST", f"{accounts}:sendVerificationCode", params=key, json={"phoneNumber": phone})
    session = sent.json()["sessionInfo"]
    listed = await cloud.send("GET", f"{cloud.auth_url}/emulator/v1/projects/{cloud.project}/verificationCodes")
    codes = {each["sessionInfo"]: each["code"] for each in listed.json().get("verificationCodes", [])}
    if session not in codes:
        raise SeedRefused(f"the Auth emulator has no code for {phone} in project {cloud.project}")
    signed = await cloud.send(
        "POST",
        f"{accounts}:signInWithPhoneNumber",
        params=key,
        json={"sessionInfo": session, "code": codes[session]},
    )
    token: str = signed.json()["idToken"]
    return token


async def _publish(cloud: _LocalCloud, host: _Host, event: SeedEvent) -> None:
    tour = {"tourId": host.tours[event.tour.title]} if event.tour else {}
    body = {"orgId": host.org_id, **event.body, **tour}
    made = await cloud.call("POST", "/v1/events", host.token, body, key=f"seed-event-{event.key}")
    path = f"/v1/events/{made.json()['eventId']}"
    published = await cloud.call("POST", f"{path}/publish", host.token, accepts=(409,))
    if published.status_code == 409:
        # Published by an earlier run, or truly refused: the event itself tells which.
        found = await cloud.call("GET", path, host.token)
        if found.json()["status"] != "published":
            raise SeedRefused(f"POST {path}/publish answered 409: {published.text}")


async def _describe(cloud: _LocalCloud, host: _Host, said: SeedDescription) -> None:
    org = {"orgId": host.org_id}
    page = (await cloud.call("POST", said.path, host.token, {**org, **said.is_about})).json()
    path = f"{said.path}/{page.get('venueId') or page['artistId']}"
    # On another day another host may have the first event: the description stays that of the first.
    await cloud.call("PUT", path, host.token, {**org, **said.body}, accepts=(409,))


def _tell(done: int, total: int) -> None:
    """On a terminal one line that changes, in a log a line now and then."""
    text = f"Seeding events … {done} of {total}"
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{text}" + ("\n" if done == total else ""))
    elif done % LINE_EVERY == 0:
        sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SeedRefused(f"{name} is not set: source .local/env first")
    return value


async def _main() -> None:
    began = time.monotonic()
    # Local addresses only: a proxy from the environment must not see them.
    async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
        sown = await sow(
            client,
            _variable("GATEWAY_URL"),
            _variable("FIREBASE_AUTH_EMULATOR_HOST"),
            os.environ.get("GOOGLE_CLOUD_PROJECT", "demo-marquee"),
            datetime.now(UTC),
            _tell,
        )
    took = time.monotonic() - began
    sys.stdout.write(f"Seeded {sown.events} events of {sown.organizations} organizations in {took:.0f} s\n")


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except SeedRefused as refusal:
        sys.exit(f"seed: {refusal}")
