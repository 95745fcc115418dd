"""Why a delivery was refused is found in Cloud Logging and in the local log alike."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from infra.dead_letters import __main__ as command
from infra.dead_letters.delivery_log import CloudLogging, LogFile, LogUnreadable
from infra.dead_letters.place import place
from tests.emulators.served import served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

SINCE = datetime(2026, 11, 21, 13, 38, 41, tzinfo=UTC)
STACK = """Traceback (most recent call last):
  File "/srv/common/http.py", line 73, in respond
    response = await serve()
  File "/srv/common/notifications/notices.py", line 41, in deliver
    seen = await orders.find(event.data["orderId"])
KeyError: 'orderId'
"""
# As Cloud Logging keeps what a function wrote: the latest first.
ENTRIES: list[dict[str, Any]] = [
    {
        "timestamp": "2026-11-21T13:40:01.2Z",
        "trace": "projects/marquee-prod/traces/0af7651916cd43dd8448eb211c80319c",
        "httpRequest": {"status": 500, "requestMethod": "POST"},
        "jsonPayload": {"message": "POST / 500", "function": "tell_all", "deliveryId": "evn_a"},
    },
    {
        "timestamp": "2026-11-21T13:40:01.1Z",
        "trace": "projects/marquee-prod/traces/0af7651916cd43dd8448eb211c80319c",
        "severity": "ERROR",
        "jsonPayload": {
            "message": "request failed",
            "code": "internal_error",
            "function": "tell_all",
            "deliveryId": "evn_a",
            "stack_trace": STACK,
        },
    },
]


class CloudLog:
    """entries:list, which hands its pages out one by one."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.pages: list[list[dict[str, Any]]] = [[], ENTRIES]
        self.status = 200

    async def list(self, request: Request) -> JSONResponse:
        asked = await request.json()
        self.asked.append(asked)
        if self.status != 200:
            return JSONResponse({"error": {"message": "Permission denied"}}, self.status)
        place = int(asked.get("pageToken", 0))
        more = {"nextPageToken": str(place + 1)} if place + 1 < len(self.pages) else {}
        return JSONResponse({"entries": self.pages[place]} | more)


@pytest.fixture(autouse=True)
def _emulator_of_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes where this process looks for Pub/Sub: what was there before comes back."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")


@pytest.fixture
def cloud_log() -> CloudLog:
    return CloudLog()


@pytest.fixture
def logging(cloud_log: CloudLog) -> Iterator[CloudLogging]:
    app = Starlette(routes=[Route("/v2/entries:list", cloud_log.list, methods=["POST"])])
    with served(app) as url, requests.Session() as session:
        yield CloudLogging("marquee-prod", session, base=url)  # type: ignore[arg-type]  # as AuthorizedSession, without a sign-in


def test_the_lines_of_a_delivery_are_found_in_the_cloud(logging: CloudLogging, cloud_log: CloudLog) -> None:
    refusal, reply = logging.lines("tell_all", 'evn_"a', SINCE)
    assert [each.keys() >= {"resourceNames", "filter"} for each in cloud_log.asked] == [True, True]
    assert cloud_log.asked[0]["resourceNames"] == ["projects/marquee-prod"]
    assert cloud_log.asked[0]["filter"] == (
        'resource.type="cloud_run_revision" AND resource.labels.service_name="tell-all"'
        ' AND jsonPayload.deliveryId="evn_\\"a" AND timestamp>="2026-11-21T13:38:41Z"'
    )
    assert (reply.status, reply.is_refusal) == (500, False)
    assert (refusal.is_refusal, refusal.reason) == (True, "internal_error: KeyError: 'orderId'")
    assert refusal.innermost()[-3].endswith('notices.py", line 41, in deliver')
    assert refusal.trace_page == (
        "https://console.cloud.google.com/traces/explorer;traceId=0af7651916cd43dd8448eb211c80319c?project=marquee-prod"
    )


def test_a_log_that_cannot_be_read_is_said(logging: CloudLogging, cloud_log: CloudLog) -> None:
    cloud_log.status = 403
    with pytest.raises(LogUnreadable, match=r"403.*Permission denied"):
        logging.lines("tell_all", "evn_a", SINCE)


def test_the_local_log_has_the_same_lines(tmp_path: Path) -> None:
    """Among lines of others, of libraries, and one that is cut off."""
    request, failure = (dict(each["jsonPayload"]) for each in ENTRIES)
    request |= {"httpRequest": ENTRIES[0]["httpRequest"]}
    others = [failure | {"function": "settle_payment"}, failure | {"deliveryId": "evn_b"}, ["no object"]]
    lines = [json.dumps(each) for each in (*others, failure, request)]
    kept = tmp_path / "gateway.log"
    kept.write_text("\n".join(["INFO: started", *lines, '{"cut o']))
    refusal, reply = LogFile(kept).lines("tell_all", "evn_a", SINCE)
    assert (refusal.reason, reply.status) == ("internal_error: KeyError: 'orderId'", 500)
    assert refusal.trace_page is None


def test_without_a_local_cloud_a_project_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MARQUEE_STATE", str(tmp_path))
    assert command.main([]) == 1
    assert "name a project (PROJECT=…), or start the local cloud: make run" in capsys.readouterr().err
    (tmp_path / "env").write_text("PUBSUB_EMULATOR_HOST=127.0.0.1:1\nGOOGLE_CLOUD_PROJECT=demo-marquee\n")
    assert command.main([]) == 1
    assert "the local cloud has stopped" in capsys.readouterr().err


def test_without_a_sign_in_one_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from google.auth.exceptions import DefaultCredentialsError

    def none(**_: object) -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", none)
    assert command.main(["--project", "marquee-prod"]) == 1
    assert "gcloud auth application-default login" in capsys.readouterr().err


def test_the_cloud_is_never_mistaken_for_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    from google.auth.credentials import AnonymousCredentials

    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), None))
    found = place("marquee-prod")
    assert "PUBSUB_EMULATOR_HOST" not in os.environ
    assert isinstance(found.log, CloudLogging)
