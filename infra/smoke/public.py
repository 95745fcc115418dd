"""What anybody may ask of a deployment, and what nobody may: harmless, and without a sign-in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from infra.plan import service_of
from infra.smoke.asking import TIMEOUT_S, body, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.smoke.asking import Api

Json = dict[str, Any]
Check = tuple[str, "Callable[[Api], None]"]

MUMBAI: Final = "latitude=19.076&longitude=72.8777"
READS: Final = {
    "/v1/events/feed": "items",
    f"/v1/events/nearby?{MUMBAI}&radiusKm=25": "items",
    "/v1/events/search?q=techno": "items",
    "/v1/search?q=techno": "events",
    "/v1/search/suggestions?q=te": "items",
    "/v1/genres": "items",
    "/v1/ticket-keys": "keys",
}
# Without these nothing works, however new the deployment is.
NEVER_EMPTY: Final = ("/v1/genres", "/v1/ticket-keys")
CACHED: Final = "/v1/genres"
NOBODYS: Final = "smoke-nobodys"
STRANGE_ORIGIN: Final = "https://stranger.invalid"
OF_PARAMETER: Final = re.compile(r"\{\w+\}")


def checks(functions: Json, url: str, run_url: str | None) -> Iterator[Check]:
    """Every check, with the group that it is counted in. `functions` are those of manifest.json."""
    for path, field in READS.items():
        yield "public reads", _read(path, field)
    yield "an event, its page, its calendar file", _event
    yield "caching", _caching
    yield "errors", _errors
    yield "other origins", _origins
    if url.startswith("https://"):
        yield "plain HTTP only says where to go", _plain_http(f"http://{url.removeprefix('https://')}")
    for name, each in functions.items():
        if "route" in each:
            yield "every endpoint, asked by a stranger", _stranger(each)
        else:
            yield "no private function answers", _private(f"/triggers/{name}")
        if run_url:
            yield "no function answers at its own address", _own_address(run_url, name)


def _read(path: str, field: str) -> Callable[[Api], None]:
    def check(api: Api) -> None:
        reply = api.ask("GET", path)
        found = body(reply).get(field)
        require(reply, isinstance(found, list), f"a list of {field}", found)
        if path in NEVER_EMPTY:
            require(reply, found, f"at least one of {field}", "none")

    return check


def _event(api: Api) -> None:
    """The first event of the feed, as an app and as a browser meet it. Nothing to see where nothing is listed yet."""
    items = body(api.ask("GET", "/v1/events/feed?limit=1"))["items"]
    if not items:
        return
    path = f"/v1/events/{items[0]['eventId']}"
    detail = api.ask("GET", path)
    require(detail, body(detail).get("tiers"), "an event with tiers", body(detail).get("tiers"))
    api.ask("GET", f"{path}/availability")
    page = api.ask("GET", f"/e/{items[0]['slug']}")
    require(page, page.headers["content-type"].startswith("text/html"), "text/html", page.headers["content-type"])
    require(page, "application/ld+json" in page.text, "structured data", page.text[:100])
    calendar = api.ask("GET", f"/e/{items[0]['slug']}/event.ics")
    require(calendar, calendar.text.startswith("BEGIN:VCALENDAR"), "a calendar file", calendar.text[:60])


def _caching(api: Api) -> None:
    """What is the same for all may be kept by the CDN, what is somebody's may not."""
    reply = api.ask("GET", CACHED)
    control = reply.headers.get("cache-control", "none")
    require(reply, "public" in control and "s-maxage=" in control, "Cache-Control: public, s-maxage", control)
    tag = reply.headers.get("etag", "")
    require(reply, tag, "an ETag", "none")
    api.ask("GET", CACHED, 304, headers={"If-None-Match": tag})
    head = api.ask("HEAD", CACHED)
    require(head, head.headers.get("etag") == tag, f"ETag: {tag}", head.headers.get("etag", "none"))
    mine = api.ask("GET", "/v1/me", 401, "unauthenticated")
    control = mine.headers.get("cache-control", "none")
    require(mine, control == "no-store", "Cache-Control: no-store", control)


def _errors(api: Api) -> None:
    """Refusals are problem documents, from whichever part of the deployment they come."""
    api.ask("GET", f"/v1/{NOBODYS}", 404, "not_found")
    api.ask("GET", "/v1/events/nearby?latitude=91&longitude=0", 422, "validation_failed")
    refused = api.ask("DELETE", CACHED, 405, "method_not_allowed")
    allowed = refused.headers.get("allow", "none")
    require(refused, "GET" in allowed, "Allow: GET", allowed)
    forged = api.ask("GET", "/v1/me", 401, "unauthenticated", token="no.token.really")
    require(forged, forged.headers.get("www-authenticate"), "WWW-Authenticate", "none")


def _origins(api: Api) -> None:
    """A browser's question is answered; pages of strangers are not allowed to read."""
    asking = {"Origin": STRANGE_ORIGIN, "Access-Control-Request-Method": "POST"}
    reply = api.ask("OPTIONS", "/v1/orders", 204, headers=asking)
    methods = reply.headers.get("access-control-allow-methods", "none")
    require(reply, "POST" in methods, "Access-Control-Allow-Methods: POST", methods)
    allowed = reply.headers.get("access-control-allow-origin")
    require(reply, allowed is None, "no Access-Control-Allow-Origin for a stranger", allowed)


def _plain_http(url: str) -> Callable[[Api], None]:
    """That TLS holds and browsers are kept to it is part of every request."""

    def check(api: Api) -> None:
        reply = api.client.get(url + CACHED, follow_redirects=False, timeout=TIMEOUT_S)
        target = reply.headers.get("location", "none")
        moved = reply.status_code in (301, 308) and target.startswith("https://")
        require(reply, moved, "301 to https", f"{reply.status_code} to {target}")

    return check


def _stranger(function: Json) -> Callable[[Api], None]:
    """An endpoint asked for nothing that exists by nobody: it starts, and refuses as it declares."""
    method, path = function["route"]["method"], function["route"]["path"]
    asked = OF_PARAMETER.sub(NOBODYS, path)

    def check(api: Api) -> None:
        if function["access"] == "provider_signature":
            api.ask(method, asked, 400, "bad_signature", content=b"{}")
        elif function["access"] != "public":
            api.ask(method, asked, 401, "unauthenticated")
        elif asked == path:  # those that need a query say so, the others answer
            api.ask(method, asked, (200, 422))
        else:
            api.ask(method, asked, 404)

    return check


def _private(path: str) -> Callable[[Api], None]:
    """No route leads to it; locally one does, and the function itself refuses who is not the invoker."""

    def check(api: Api) -> None:
        api.ask("POST", path, (401, 404, 405), json={})

    return check


def _own_address(template: str, name: str) -> Callable[[Api], None]:
    """Its run.app address is for the load balancer and for Google's services; anybody else gets nothing."""
    url = template.format(name=name, service=service_of(name))

    def check(api: Api) -> None:
        reply = api.client.post(url, json={}, timeout=TIMEOUT_S)
        require(reply, reply.status_code in (401, 403, 404), "401, 403 or 404", reply.status_code)

    return check
