"""The gateway as a client meets it where no function answers: problem documents, the reference, its pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.people import accepted, refused

if TYPE_CHECKING:
    import httpx

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v2/events/nearby"),
        ("GET", "/v1/me/"),
        ("POST", "/v1/order"),
        ("GET", "/v1/events/not%20an%20id"),
        ("GET", "/v1/events/" + "x" * 129),
        ("GET", "/v1/events/..%2f..%2fhealthz"),
        ("POST", "/triggers"),
        ("POST", "/triggers/unknown"),
        ("DELETE", "/anything/at/all"),
        ("GET", "/docs/assets/no-such-file.js"),
        ("GET", "/docs/assets/..%2fpackage.json"),
    ],
)
def test_what_is_not_there(anonymous: httpx.Client, method: str, path: str) -> None:
    problem = refused(anonymous.request(method, path), 404, "not_found")
    assert problem["type"] == "urn:marquee:problem:not_found"
    assert problem["title"] == "There is nothing here"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/me", {"GET", "PATCH"}),
        ("GET", "/v1/session", {"POST", "DELETE"}),
        ("HEAD", "/v1/orders", {"GET", "POST"}),
        ("POST", "/v1/events/nearby", {"GET", "HEAD"}),
        ("PUT", "/v1/webhooks/stripe", {"POST"}),
        ("GET", "/triggers/relay_outbox", {"POST"}),
        ("TRACE", "/v1/me", None),
    ],
)
def test_methods_that_are_not_supported(
    anonymous: httpx.Client, method: str, path: str, allowed: set[str] | None
) -> None:
    answer = anonymous.request(method, path)
    if method == "HEAD":
        assert answer.status_code == 405
    else:
        assert refused(answer, 405, "method_not_allowed")["title"]
    if allowed is not None:
        assert set(re.split(r",\s*", answer.headers["allow"])) == allowed


def test_a_browser_may_ask_what_is_allowed(anonymous: httpx.Client) -> None:
    answer = anonymous.options("/v1/me")
    assert answer.status_code == 204
    assert {"GET", "PATCH"} <= set(answer.headers["access-control-allow-methods"].split(", "))


def test_the_id_of_the_caller_comes_back(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/nowhere", headers={"X-Request-ID": "from-the-app-1"})
    assert refused(answer, 404, "not_found")["requestId"] == "from-the-app-1"
    hostile = anonymous.get("/nowhere", headers={"X-Request-ID": "<script>"})
    assert re.fullmatch(r"[0-9a-f]{32}", refused(hostile, 404, "not_found")["requestId"])


def test_every_refusal_carries_the_security_headers(anonymous: httpx.Client) -> None:
    for answer in (anonymous.get("/nowhere"), anonymous.get("/v1/me"), anonymous.post("/healthz")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    assert anonymous.get("/v1/me").headers["www-authenticate"] == "Bearer"


def test_it_is_well(anonymous: httpx.Client) -> None:
    assert accepted(anonymous.get("/healthz")) == {"status": "ok"}


def test_the_reference_is_the_committed_one(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert accepted(answer) == json.loads((ROOT / "openapi.json").read_text())


def test_the_page_of_the_reference_has_all_it_loads(anonymous: httpx.Client) -> None:
    page = anonymous.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert '"/openapi.json"' in page.text
    assets = re.findall(r'(?:href|src)="(/docs/[^"]+)"', page.text)
    assert [Path(asset).suffix for asset in assets] == [".css", ".js"]
    for asset, kind in zip(assets, ("text/css", "javascript"), strict=True):
        served = anonymous.get(asset)
        assert served.status_code == 200
        assert kind in served.headers["content-type"]
        assert len(served.content) > 10_000
