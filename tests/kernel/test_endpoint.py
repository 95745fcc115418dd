"""What every endpoint does before and after its handler, seen from outside."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import Field

from common.access import Access
from common.config import config
from common.endpoint import Call, Idempotency, endpoint
from common.errors import NotFound, Problem, TemporarilyUnavailable
from common.http import SECURITY_HEADERS
from common.wire import UtcDatetime, Wire
from tests.kernel.conftest import PROJECT, ask
from tests.support.people import refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from common.endpoint import Endpoint
    from tests.support.people import SigningKeys


class Seat(Wire):
    """A seat."""

    row_number: int = Field(ge=1)
    label: str | None = None
    taken_at: UtcDatetime | None = None


class SeatQuery(Wire):
    """How many."""

    limit: int = Field(default=10, ge=1, le=100)


class Seen(Wire):
    """What a handler was given."""

    user_id: str | None
    path: dict[str, str]
    row_number: int
    limit: int
    request_id: str


@endpoint(
    "POST", "/v1/rooms/{roomId}/seats", access=Access.SIGNED_IN, body=Seat, query=SeatQuery, returns=Seen, status=201
)
async def create_seat(call: Call[Seat, SeatQuery]) -> Seen:
    """Create a seat."""
    return Seen(
        user_id=call.user.user_id,
        path=dict(call.path),
        row_number=call.body.row_number,
        limit=call.query.limit,
        request_id=call.request_id,
    )


@endpoint("POST", "/v1/small", access=Access.PUBLIC, body=Seat, returns=Seat, max_body_bytes=64)
async def create_small(call: Call[Seat]) -> Seat:
    """Create a seat in few words."""
    return call.body


@endpoint("DELETE", "/v1/seats/{seatId}", access=Access.SIGNED_IN)
async def delete_seat(call: Call) -> None:
    """Remove a seat."""


@endpoint("GET", "/v1/admin", access=Access.ADMIN, returns=Seat)
async def get_admin(call: Call) -> Seat:
    """Read what only administrators may."""
    return Seat(row_number=1)


@endpoint("GET", "/v1/whoami", access=Access.PUBLIC, returns=Seat)
async def get_whoami(call: Call) -> Seat:
    """Tell who calls."""
    return Seat(row_number=1, label=call.caller.user_id if call.caller else None)


class RowGone(Problem):
    status, code, title = 409, "row_gone", "That row was taken out"


@endpoint("GET", "/v1/failures/{kind}", access=Access.PUBLIC)
async def get_failure(call: Call) -> None:
    """Fail as asked."""
    from google.api_core.exceptions import Aborted, PermissionDenied

    failures: dict[str, Exception] = {
        "problem": RowGone("Row 7 is gone.", row=7),
        "busy": TemporarilyUnavailable(),
        "missing": NotFound(),
        "defect": ValueError("the secret is hunter2"),
        "aborted": Aborted("contention"),
        "denied": PermissionDenied("our own permission is missing"),
    }
    raise failures[call.path["kind"]]


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SEATS = "/v1/rooms/main/seats"
Headers = dict[str, str]


def create(signed_in: Headers, body: object, path: str = SEATS, **headers: str) -> httpx.Response:
    return ask(create_seat, "POST", path, json=body, headers=signed_in | headers)


def send_raw(function: Endpoint, raw: bytes, headers: Headers, path: str = SEATS) -> httpx.Response:
    return ask(function, "POST", path, content=raw, headers={"Content-Type": "application/json"} | headers)


def test_a_handler_gets_what_was_declared_and_the_reply_is_camel_case(signed_in: Headers) -> None:
    reply = create(signed_in, {"rowNumber": 3}, f"{SEATS}?limit=5")
    assert reply.status_code == 201
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == {
        "userId": "asha",
        "path": {"roomId": "main"},
        "rowNumber": 3,
        "limit": 5,
        "requestId": reply.headers["x-request-id"],
    }


def test_absent_values_are_left_out_and_nothing_is_204(signed_in: Headers) -> None:
    assert ask(get_whoami, "GET", "/v1/whoami").json() == {"rowNumber": 1}
    gone = ask(delete_seat, "DELETE", "/v1/seats/a7", headers=signed_in)
    assert (gone.status_code, gone.content) == (204, b"")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD"])
def test_another_method_is_405_and_told_which_is_allowed(method: str) -> None:
    reply = ask(create_seat, method, SEATS)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        refused(reply, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/rooms//seats",
        "/v1/rooms/main/seats/",
        "/v1/rooms/a%2Fb/seats",
        "/v1/rooms/é/seats",
        "/v1/rooms/a.b/seats",
        f"/v1/rooms/{'a' * 129}/seats",
        "/x/v1/rooms/main/seats",
    ],
)
def test_another_path_is_404_even_without_a_sign_in(path: str) -> None:
    refused(ask(create_seat, "POST", path, json={"rowNumber": 1}), 404, "not_found")


class TestSignIn:
    """Nothing of the body is looked at before the caller is known."""

    def test_no_token_is_401(self) -> None:
        reply = ask(create_seat, "POST", SEATS, content=b"{", headers={"Content-Type": "application/json"})
        refused(reply, 401, "unauthenticated")
        assert reply.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic YTpi", "bearer abc", "Bearer a b", "abc"])
    def test_no_usable_token_is_401_on_public_endpoints_too(self, header: str) -> None:
        for function, path in ((create_seat, SEATS), (create_small, "/v1/small")):
            refused(
                ask(function, "POST", path, json={"rowNumber": 1}, headers={"Authorization": header}),
                401,
                "unauthenticated",
            )

    def test_an_expired_token_has_its_own_code(self, signing_keys: SigningKeys) -> None:
        token = signing_keys.token(PROJECT, "asha", exp=1, iat=0)
        refused(create({"Authorization": f"Bearer {token}"}, {"rowNumber": 1}), 401, "token_expired")

    def test_a_public_endpoint_knows_a_caller_who_says_so(self, signed_in: Headers) -> None:
        assert ask(get_whoami, "GET", "/v1/whoami", headers=signed_in).json()["label"] == "asha"

    def test_an_admin_endpoint_is_for_admins(self, signing_keys: SigningKeys, signed_in: Headers) -> None:
        refused(ask(get_admin, "GET", "/v1/admin"), 401, "unauthenticated")
        refused(ask(get_admin, "GET", "/v1/admin", headers=signed_in), 403, "forbidden")
        admin = {"Authorization": f"Bearer {signing_keys.token(PROJECT, 'root', admin=True)}"}
        assert ask(get_admin, "GET", "/v1/admin", headers=admin).status_code == 200


class TestBody:
    """JSON, of the declared shape, and not too much of it."""

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "rowNumber"),
            ({"rowNumber": "3"}, "rowNumber"),
            ({"rowNumber": 3.5}, "rowNumber"),
            ({"rowNumber": True}, "rowNumber"),
            ({"rowNumber": None}, "rowNumber"),
            ({"rowNumber": 0}, "rowNumber"),
            ({"rowNumber": 3, "label": 7}, "label"),
            ({"rowNumber": 3, "colour": "red"}, "colour"),
            ({"rowNumber": 3, "row_number": 4}, "row_number"),
            ({"rowNumber": 3, "takenAt": "2026-01-01T10:00:00"}, "takenAt"),
            ({"rowNumber": 3, "takenAt": "noon"}, "takenAt"),
            ({"rowNumber": 3, "takenAt": 1767261600}, "takenAt"),
            ([], ""),
            (None, ""),
            ("text", ""),
        ],
        ids=str,
    )
    def test_a_wrong_field_is_named(self, signed_in: Headers, body: object, field: str) -> None:
        problem = refused(send_raw(create_seat, json.dumps(body).encode(), signed_in), 422, "validation_failed")
        assert [error["field"] for error in problem["errors"]] == [field]
        assert all(error["code"] and error["message"] for error in problem["errors"])

    def test_every_wrong_field_is_named_and_no_value_is_echoed(self, signed_in: Headers) -> None:
        problem = refused(
            create(signed_in, {"rowNumber": -1, "label": 4711, "hidden": "hunter2"}), 422, "validation_failed"
        )
        assert {error["field"] for error in problem["errors"]} == {"rowNumber", "label", "hidden"}
        assert "4711" not in json.dumps(problem)
        assert "hunter2" not in json.dumps(problem)

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=ten", "limit=", "page=2", "limit=1.5"])
    def test_a_wrong_query_is_refused(self, signed_in: Headers, query: str) -> None:
        refused(create(signed_in, {"rowNumber": 1}, f"{SEATS}?{query}"), 422, "validation_failed")

    @pytest.mark.parametrize("raw", [b"{", b"{'rowNumber': 1}", b"\xff\xfe", b'{"rowNumber": 1} x', b" "])
    def test_what_is_not_json_is_400(self, signed_in: Headers, raw: bytes) -> None:
        refused(send_raw(create_seat, raw, signed_in), 400, "malformed_json")

    def test_deep_nesting_is_refused(self, signed_in: Headers) -> None:
        deep = b'{"label": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
        assert send_raw(create_seat, deep, signed_in).status_code in {400, 422}

    @pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/jsonp", ""])
    def test_another_content_type_is_415(self, signed_in: Headers, content_type: str) -> None:
        reply = send_raw(create_seat, b'{"rowNumber": 1}', signed_in | {"Content-Type": content_type})
        refused(reply, 415, "unsupported_media_type")

    @pytest.mark.parametrize("content_type", ["application/json;charset=utf-8", "Application/JSON"])
    def test_json_by_any_of_its_names_is_taken(self, signed_in: Headers, content_type: str) -> None:
        reply = send_raw(create_seat, b'{"rowNumber": 1}', signed_in | {"Content-Type": content_type})
        assert reply.status_code == 201

    def test_an_endpoint_without_a_body_takes_none(self, signed_in: Headers) -> None:
        reply = ask(delete_seat, "DELETE", "/v1/seats/a7", headers=signed_in | {"Content-Type": "application/json"})
        assert reply.status_code == 204
        sent = {"headers": signed_in | {"Content-Type": "application/json"}, "content": b'{"why": 1}'}
        refused(ask(delete_seat, "DELETE", "/v1/seats/a7", **sent), 422, "validation_failed")

    def test_as_much_as_declared_is_taken_and_one_byte_more_is_413(self) -> None:
        fits = json.dumps({"rowNumber": 1, "label": "x" * 35}).encode()
        assert len(fits) == 64
        assert send_raw(create_small, fits, {}, "/v1/small").status_code == 200
        refused(send_raw(create_small, fits + b" ", {}, "/v1/small"), 413, "body_too_large")

    @pytest.mark.parametrize("length", [None, "5", "0"])
    def test_a_missing_or_lying_length_does_not_get_more_in(self, length: str | None) -> None:
        sent = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1000):
                sent += 1
                yield b" " * 32

        headers = {"Content-Type": "application/json"} | ({"Content-Length": length} if length else {})
        refused(ask(create_small, "POST", "/v1/small", content=chunks(), headers=headers), 413, "body_too_large")
        # It stopped reading instead of collecting what it would refuse (ASGITransport reads one ahead).
        assert sent < 10


class TestEveryReply:
    """Headers and documents that all replies share, whoever asked for what."""

    REPLIES = pytest.mark.parametrize(
        ("function", "method", "path"),
        [
            (get_whoami, "GET", "/v1/whoami"),
            (get_whoami, "POST", "/v1/whoami"),
            (get_whoami, "OPTIONS", "/v1/whoami"),
            (create_seat, "POST", SEATS),
            (get_failure, "GET", "/v1/failures/problem"),
            (get_failure, "GET", "/v1/failures/defect"),
        ],
    )

    @REPLIES
    def test_carries_the_security_headers(self, function: Endpoint, method: str, path: str) -> None:
        reply = ask(function, method, path)
        for header, value in SECURITY_HEADERS.items():
            assert reply.headers[header] == value

    @REPLIES
    def test_carries_the_callers_request_id_or_a_new_one(self, function: Endpoint, method: str, path: str) -> None:
        offered = "mobile-7f3k.9qxt_1"
        assert ask(function, method, path, headers={"X-Request-ID": offered}).headers["x-request-id"] == offered
        made = {ask(function, method, path).headers["x-request-id"] for _ in range(2)}
        assert len(made) == 2
        for unfit in ("short", "a" * 129, 'quo"te-quote', "spa ce space"):
            assert ask(function, method, path, headers={"X-Request-ID": unfit}).headers["x-request-id"] != unfit

    def test_an_error_is_a_problem_document(self) -> None:
        reply = ask(get_failure, "GET", "/v1/failures/problem")
        assert refused(reply, 409, "row_gone") == {
            "type": "urn:marquee:problem:row_gone",
            "title": "That row was taken out",
            "status": 409,
            "code": "row_gone",
            "detail": "Row 7 is gone.",
            "requestId": reply.headers["x-request-id"],
            "row": 7,
        }

    @pytest.mark.parametrize("kind", ["busy", "aborted"])
    def test_what_passes_says_when_to_come_back(self, kind: str) -> None:
        reply = ask(get_failure, "GET", f"/v1/failures/{kind}")
        refused(reply, 503, "temporarily_unavailable")
        assert int(reply.headers["retry-after"]) >= 1

    @pytest.mark.parametrize("kind", ["defect", "denied", "unknown-kind"])
    def test_a_defect_is_500_without_its_details(self, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
        reply = ask(get_failure, "GET", f"/v1/failures/{kind}")
        refused(reply, 500, "internal_error")
        for secret in ("hunter2", "permission", "Error", "Traceback", "unknown-kind"):
            assert secret not in reply.text
        logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        [error] = [line for line in logged if line["severity"] == "ERROR"]
        assert "Traceback" in error["stack_trace"]
        assert error["requestId"] == reply.headers["x-request-id"]


class TestCors:
    """Browsers of the listed origins may call, and no others."""

    @pytest.mark.parametrize("origin", ["https://marquee.example", "https://organizers.marquee.example"])
    def test_a_listed_origin_is_named_in_every_reply(self, origin: str) -> None:
        for method in ("GET", "OPTIONS", "POST"):
            reply = ask(get_whoami, method, "/v1/whoami", headers={"Origin": origin})
            assert reply.headers["access-control-allow-origin"] == origin
            assert "origin" in reply.headers["vary"].lower()

    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example", "https://marquee.example.evil.example", "http://marquee.example", "null"],
    )
    def test_another_origin_is_not(self, origin: str) -> None:
        for method in ("GET", "OPTIONS"):
            headers = ask(get_whoami, method, "/v1/whoami", headers={"Origin": origin}).headers
            assert "access-control-allow-origin" not in headers

    def test_without_a_list_no_origin_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ALLOWED_ORIGINS")
        config.cache_clear()
        for origin in ("https://marquee.example", ""):
            headers = ask(get_whoami, "GET", "/v1/whoami", headers={"Origin": origin}).headers
            assert "access-control-allow-origin" not in headers

    def test_a_browser_learns_before_it_calls_what_it_may_send(self) -> None:
        reply = ask(create_seat, "OPTIONS", SEATS, headers={"Origin": "https://marquee.example"})
        assert (reply.status_code, reply.content) == (204, b"")
        assert {"GET", "HEAD", "POST"} <= set(reply.headers["access-control-allow-methods"].split(", "))
        allowed = reply.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "idempotency-key", "x-request-id"} <= set(allowed)

    def test_any_function_answers_that_for_any_route(self) -> None:
        """The load balancer asks one function for all: a rule for each route would be more than it takes."""
        headers = {"Origin": "https://marquee.example", "Access-Control-Request-Method": "PATCH"}
        there = ask(create_seat, "OPTIONS", SEATS, headers=headers)
        elsewhere = ask(get_whoami, "OPTIONS", "/v1/of/another/function", headers=headers)
        compared = ("access-control-allow-methods", "access-control-allow-headers", "access-control-allow-origin")
        assert [there.headers[name] for name in compared] == [elsewhere.headers[name] for name in compared]


def test_an_idempotency_key_is_visible_characters(signed_in: Headers) -> None:
    @endpoint("POST", "/v1/keys", access=Access.SIGNED_IN, returns=Seat, idempotency=Idempotency.DERIVED_ID)
    async def create_key(call: Call) -> Seat:
        """Echo the derived id."""
        return Seat(row_number=1, label=call.id_for("key"))

    def label(user: Headers, key: str | None) -> str:
        headers = user | ({"Idempotency-Key": key} if key is not None else {})
        return str(ask(create_key, "POST", "/v1/keys", headers=headers).json()["label"])

    assert label(signed_in, "a") == label(signed_in, "a")
    assert label(signed_in, "a") != label(signed_in, "b")
    assert label(signed_in, None) != label(signed_in, None)
    for key in ("", "two words", "x" * 256, "tab\t"):
        reply = ask(create_key, "POST", "/v1/keys", headers=signed_in | {"Idempotency-Key": key})
        refused(reply, 422, "invalid_idempotency_key")


def test_one_key_of_two_people_makes_two_things(signing_keys: SigningKeys) -> None:
    @endpoint("POST", "/v1/keys", access=Access.SIGNED_IN, returns=Seat, idempotency=Idempotency.DERIVED_ID)
    async def create_key(call: Call) -> Seat:
        """Echo the derived id."""
        return Seat(row_number=1, label=call.id_for("key"))

    labels = set()
    for user in ("asha", "ravi"):
        headers = {"Authorization": f"Bearer {signing_keys.token(PROJECT, user)}", "Idempotency-Key": "a"}
        labels.add(ask(create_key, "POST", "/v1/keys", headers=headers).json()["label"])
    assert len(labels) == 2


class TestLog:
    """One line a request, with what is needed to find it again and nothing secret."""

    def test_a_request_leaves_one_line(self, signed_in: Headers, capsys: pytest.CaptureFixture[str]) -> None:
        headers = signed_in | {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "mobile-7f3k"}
        ask(create_seat, "POST", f"{SEATS}?limit=5", json={"rowNumber": 1, "label": "a"}, headers=headers)
        [line] = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
        assert line["severity"] == "INFO"
        assert (line["requestId"], line["function"], line["userId"]) == ("mobile-7f3k", "create_seat", "asha")
        assert line["logging.googleapis.com/trace"] == f"projects/{PROJECT}/traces/{TRACE}"
        assert line["httpRequest"]["status"] == 201
        assert re.fullmatch(r"\d+\.\d{6}s", line["httpRequest"]["latency"])

    @pytest.mark.parametrize(
        ("headers", "span", "sampled"),
        [
            ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, "00f067aa0ba902b7", True),
            ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}, "00f067aa0ba902b7", False),
            ({"X-Cloud-Trace-Context": f"{TRACE}/12084647744699216188;o=1"}, "a7b54b18ba85b13c", True),
            ({"X-Cloud-Trace-Context": f"{TRACE}/7"}, "0000000000000007", False),
            ({"X-Cloud-Trace-Context": TRACE}, None, False),
        ],
    )
    def test_a_line_stands_in_the_trace_that_either_header_names(
        self, headers: Headers, span: str | None, sampled: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ask(get_whoami, "GET", "/v1/whoami", headers=headers)
        line = json.loads(capsys.readouterr().out)
        assert line["logging.googleapis.com/trace"] == f"projects/{PROJECT}/traces/{TRACE}"
        assert line.get("logging.googleapis.com/spanId") == span
        assert line["logging.googleapis.com/trace_sampled"] is sampled

    @pytest.mark.parametrize(
        "headers",
        [
            {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"},
            {"traceparent": "../../other/traces/1"},
            {"X-Cloud-Trace-Context": "abc123/7;o=1"},
        ],
    )
    def test_what_names_no_trace_is_not_repeated(self, headers: Headers, capsys: pytest.CaptureFixture[str]) -> None:
        ask(get_whoami, "GET", "/v1/whoami", headers=headers)
        assert "logging.googleapis.com" not in capsys.readouterr().out

    def test_one_request_says_nothing_of_another(self, signed_in: Headers, capsys: pytest.CaptureFixture[str]) -> None:
        async def one_after_another() -> None:
            from tests.kernel.conftest import fetch

            await fetch(get_whoami, "GET", "/v1/whoami", headers=signed_in)
            await fetch(get_whoami, "GET", "/v1/whoami")

        asyncio.run(one_after_another())
        first, second = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
        assert first["userId"] == "asha"
        assert "userId" not in second


ALONE = '''
from common.access import Access
from common.endpoint import Call, endpoint
from common.wire import Wire


class Greeting(Wire):
    """A greeting."""

    text: str


@endpoint("GET", "/v1/greetings/{name}", access=Access.PUBLIC, returns=Greeting)
async def get_greeting(call: Call) -> Greeting:
    """Greet."""
    return Greeting(text=f"Hello {call.path['name']}")
'''


def test_functions_framework_serves_a_declared_function_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions_framework.aio import create_asgi_app

    source = tmp_path / "get_greeting.py"
    source.write_text(ALONE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    app = create_asgi_app("get_greeting", source=str(source))
    monkeypatch.delitem(sys.modules, "get_greeting", raising=False)

    async def call(method: str, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://function.test") as client:
            return await client.request(method, path)

    assert asyncio.run(call("GET", "/v1/greetings/Asha")).json() == {"text": "Hello Asha"}
    refused(asyncio.run(call("POST", "/v1/greetings/Asha")), 405, "method_not_allowed")
    refused(asyncio.run(call("GET", "/v1/farewells/Asha")), 404, "not_found")


def test_a_declaration_says_all_there_is_to_know(signed_in: Headers) -> None:
    spec = create_seat.spec
    assert (spec.name, spec.method, spec.path, spec.status) == ("create_seat", "POST", "/v1/rooms/{roomId}/seats", 201)
    assert (spec.body, spec.query, spec.returns) == (Seat, SeatQuery, Seen)
    assert spec.summary == "Create a seat."
    assert spec.module == __name__


def test_access_has_no_default() -> None:
    undeclared: dict[str, Any] = {}
    with pytest.raises(TypeError, match="access"):
        endpoint("GET", "/v1/open", **undeclared)
