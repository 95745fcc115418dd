"""Where to look for dead letters: in the local cloud of `make run`, or in a Google Cloud project as whoever asks."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from common.google_token import CLOUD_PLATFORM_SCOPE
from infra.dead_letters.delivery_log import CloudLogging, LogFile
from infra.offline import ROOT

if TYPE_CHECKING:
    from infra.dead_letters.delivery_log import DeliveryLog

EMULATOR: Final = "PUBSUB_EMULATOR_HOST"


class NowhereToLook(Exception):
    """Neither a running local cloud nor a project with a sign-in."""


@dataclass(frozen=True)
class Place:
    """A project, and the log of its functions. Pub/Sub's library takes emulator or sign-in from the environment."""

    project: str
    log: DeliveryLog


def place(project: str | None) -> Place:
    """The project's where one is named, else the local cloud's."""
    return _in_the_cloud(project) if project else _on_this_machine()


def _on_this_machine() -> Place:
    state = Path(os.environ.get("MARQUEE_STATE") or ROOT / ".local")
    try:
        lines = (state / "env").read_text().splitlines()
    except FileNotFoundError:
        raise NowhereToLook("name a project (PROJECT=…), or start the local cloud: make run") from None
    told = dict(line.split("=", 1) for line in lines)
    host, _, port = told[EMULATOR].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        raise NowhereToLook("the local cloud has stopped: make run (its dead letters ended with it)") from None
    os.environ[EMULATOR] = told[EMULATOR]
    return Place(told["GOOGLE_CLOUD_PROJECT"], LogFile(state / "logs" / "gateway.log"))


def _in_the_cloud(project: str) -> Place:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.requests import AuthorizedSession

    # Left there by somebody who worked with the local cloud before.
    os.environ.pop(EMULATOR, None)
    try:
        credentials, _ = google.auth.default(scopes=[CLOUD_PLATFORM_SCOPE], quota_project_id=project)
    except DefaultCredentialsError:
        raise NowhereToLook("sign in first: gcloud auth application-default login") from None
    return Place(project, CloudLogging(project, AuthorizedSession(credentials)))
