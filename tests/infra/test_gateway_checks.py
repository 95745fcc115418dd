"""Where the load balancer would send a request, what it would keep, and what is too much for it, without terraform."""

from __future__ import annotations

from typing import Any

import pytest

from infra import gateway_checks
from infra.gateway_checks import caches, limits, routes
from infra.plan import Plan
from infra.routing import reached

Json = dict[str, Any]


def rule(priority: int, service: str, method: str | None = None, **match: str) -> Json:
    blank: Json = {"full_path_match": None, "path_template_match": None, "prefix_match": None}
    headers = [{"header_name": ":method", "exact_match": method}] if method else []
    return {
        "priority": priority,
        "service": f"x/{service}",
        "match_rules": [blank | match | {"header_matches": headers}],
    }


def resource(type_: str, **values: Any) -> Json:
    return {"type": type_, "address": f"{type_}.{values['name']}", "values": values}


def backend(name: str, *, cached: bool = False, **policy: Any) -> Json:
    usual: Json = {
        "cache_mode": "USE_ORIGIN_HEADERS",
        "negative_caching": False,
        "serve_while_stale": 0,
        "cache_key_policy": [{"include_host": True, "include_query_string": True, "include_named_cookies": None}],
        "bypass_cache_on_request_headers": [{"header_name": "Authorization"}],
    }
    return resource(
        "google_compute_backend_service",
        name=name,
        enable_cdn=cached,
        security_policy="one",
        cdn_policy=[usual | policy] if cached else [],
    )


def function(method: str, path: str, *, cached: bool = False) -> Json:
    return {"route": {"method": method, "path": path}, "access": "public", "cached": cached}


FUNCTIONS = {
    "get_show": function("GET", "/v1/shows/{showId}", cached=True),
    "update_show": function("PATCH", "/v1/shows/{showId}"),
    "list_shows": function("GET", "/v1/shows/feed"),
}
RULES = [
    rule(1, "list-shows", "OPTIONS", prefix_match="/"),
    rule(2, "list-shows", full_path_match="/v1/shows/feed"),
    rule(3, "update-show", "PATCH", prefix_match="/v1/shows/"),
    rule(4, "get-show", prefix_match="/v1/shows/"),
]
BACKENDS = [backend("get-show", cached=True), backend("update-show"), backend("list-shows")]


def plan(rules: list[Json] = RULES, backends: list[Json] = BACKENDS) -> Plan:
    matcher = {"default_service": "x/list-shows", "route_rules": rules}
    url_map = resource("google_compute_url_map", name="marquee", path_matcher=[matcher])
    return Plan([url_map, *backends], FUNCTIONS, kpis={}, indexes={}, rules="")


@pytest.mark.parametrize(
    ("path", "target"),
    [("/v1/a/b", "fixed"), ("/v1/a/c", "any"), ("/v1/a/c/d", None), ("/v1/a/", None), ("/e/x", "start"), ("/e", None)],
)
def test_the_first_rule_that_fits_is_taken(path: str, target: str | None) -> None:
    rules = [
        rule(2, "any", path_template_match="/v1/a/*"),
        rule(1, "fixed", full_path_match="/v1/a/b"),
        rule(3, "start", prefix_match="/e/"),
    ]
    assert reached(rules, path, {}) == target


def test_what_is_routed_and_kept_rightly_is_found_so() -> None:
    assert [*routes(plan()), *caches(plan()), *limits(plan())] == []


def test_control_a_head_that_reaches_nobody_is_found() -> None:
    only_get = rule(4, "get-show", "GET", prefix_match="/v1/shows/")
    assert list(routes(plan([*RULES[:3], only_get]))) == ["HEAD /v1/shows/some-id_1 reaches None instead of get-show"]


def test_control_a_browsers_question_that_reaches_another_function_is_found() -> None:
    assert "OPTIONS /v1/shows/some-id_1 reaches get-show instead of list-shows" in routes(plan(RULES[1:]))


def test_control_a_parameter_that_goes_before_a_fixed_segment_is_found() -> None:
    spoilt = [RULES[0], rule(1, "get-show", prefix_match="/v1/shows/"), RULES[1]]
    assert "GET /v1/shows/feed reaches get-show instead of list-shows" in routes(plan(spoilt))


def test_control_a_rule_that_takes_everything_is_found() -> None:
    assert "what no function has declared reaches get-show" in routes(
        plan([*RULES, rule(5, "get-show", prefix_match="/")])
    )


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"serve_while_stale": 60}, "'serve_while_stale': 60"),
        ({"negative_caching": True}, "'negative_caching': True"),
        ({"cache_mode": "CACHE_ALL_STATIC"}, "CACHE_ALL_STATIC"),
        ({"bypass_cache_on_request_headers": []}, "answers whoever is signed in"),
        (
            {
                "cache_key_policy": [
                    {"include_host": True, "include_query_string": False, "include_named_cookies": None}
                ]
            },
            "tells replies apart",
        ),
    ],
)
def test_control_a_cdn_that_keeps_too_much_is_found(policy: Json, found: str) -> None:
    spoilt = [backend("get-show", cached=True, **policy), *BACKENDS[1:]]
    (difference,) = caches(plan(backends=spoilt))
    assert found in difference


def test_control_what_may_not_be_kept_and_is_and_what_may_and_is_not_are_found() -> None:
    spoilt = [backend("get-show"), backend("update-show", cached=True), BACKENDS[2]]
    assert list(caches(plan(backends=spoilt))) == ["get_show is cached: False", "update_show is cached: True"]


def test_control_more_templates_than_a_url_map_takes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [rule(number, "get-show", path_template_match=f"/v1/{number}/*/x") for number in range(101)]
    assert list(limits(plan(many))) == ["the URL map has 101 path templates, and the load balancer takes 100"]
    monkeypatch.setattr(gateway_checks, "PATH_TEMPLATES", 101)
    assert list(limits(plan(many))) == []
