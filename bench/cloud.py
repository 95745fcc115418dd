"""The emulators that are measured on."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import httpx

from bench.server import ROOT
from emulators.addresses import Ports
from emulators.local_cloud import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGS: Final = ROOT / ".local" / "bench" / "logs"


@contextlib.contextmanager
def local_cloud() -> Iterator[None]:
    """The emulators that the environment names, or a cloud of our own."""
    if "FIRESTORE_EMULATOR_HOST" in os.environ:
        yield
        return
    with LocalCloud(Ports.free(), state=LOGS.parent) as cloud:
        os.environ.update(cloud.environment())
        yield


async def forget_all(project: str) -> None:
    """Empty the database: what earlier rounds left would weigh on later ones."""
    host = os.environ["FIRESTORE_EMULATOR_HOST"]
    path = f"/emulator/v1/projects/{project}/databases/(default)/documents"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        (await client.delete(f"http://{host}{path}")).raise_for_status()
