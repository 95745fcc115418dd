"""Signing out asks the identity service to stop renewing tokens, and fails openly when it does not answer."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from common.accounts import store
from common.config import config
from tests.support.people import accepted, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.people import Json, Person
    from tests.support.server import GatewayThread

PHONE = {"id": "ios-1", "platform": "ios", "appVersion": "1.4.0"}


class IdentityService:
    """Records what it is asked, and gives the answer that the test wants."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []
        self.status = 200
        self.answer: Json = {"localId": "x"}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append((self.path, body))
                reply = json.dumps(service.answer).encode()
                self.send_response(service.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet: a test's output is its result."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def refuse(self, status: int, message: str) -> None:
        self.status, self.answer = status, {"error": {"code": status, "message": message}}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def identity(project: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityService]:
    service = IdentityService()
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", service.address)
    config.cache_clear()
    yield service
    service.stop()


def test_refresh_tokens_are_revoked_and_the_profile_stays(
    gateway: GatewayThread, identity: IdentityService, project: str, buyer: Person
) -> None:
    accepted(buyer.post("/v1/session", {"deviceInfo": PHONE}))
    before = time.time()
    reply = buyer.call("DELETE", "/v1/session")
    assert (reply.status_code, reply.content) == (204, b"")
    ((path, body),) = identity.asked
    assert path.endswith(f"/v1/projects/{project}/accounts:update")
    assert body["localId"] == buyer.user_id
    assert abs(int(body["validSince"]) - before) < 5
    assert gateway.run(store.devices_of(buyer.user_id)) == ()
    assert accepted(buyer.get("/v1/me"))["userId"] == buyer.user_id
    assert accepted(buyer.post("/v1/session"))["isNewUser"] is False


def test_an_account_that_is_gone_has_nothing_to_revoke(identity: IdentityService, buyer: Person) -> None:
    identity.refuse(400, "USER_NOT_FOUND")
    assert buyer.call("DELETE", "/v1/session").status_code == 204


def test_without_an_answer_nobody_is_told_to_be_signed_out(
    gateway: GatewayThread, identity: IdentityService, buyer: Person
) -> None:
    accepted(buyer.post("/v1/session", {"deviceInfo": PHONE}))
    identity.refuse(403, "PERMISSION_DENIED")
    reply = buyer.call("DELETE", "/v1/session")
    refused(reply, 503, "temporarily_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert len(gateway.run(store.devices_of(buyer.user_id))) == 1


def test_a_dead_identity_service_is_temporary(identity: IdentityService, buyer: Person) -> None:
    identity.stop()
    refused(buyer.call("DELETE", "/v1/session"), 503, "temporarily_unavailable")
