"""The load balancer sends each route to its own function, keeps what may be kept, and stays within its limits."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from infra.plan import differences, service_of
from infra.routing import reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.plan import Json, Plan

# cloud.google.com/load-balancing/docs/quotas, "URL maps", global external; "the limits documented here cannot be
# increased". (Newer pages allow a map of 1 MB; this is the older, smaller word.)
ROUTE_RULES: Final = 1000
PREDICATES: Final = 1000
PATH_TEMPLATES: Final = 100
BACKENDS: Final = 2500
SIZE_BYTES: Final = 64 * 1024


def routes(plan: Plan) -> Iterator[str]:
    """Each route reaches its own function; a browser is answered before it calls; what is nobody's reaches nobody."""
    backends = plan.values("google_compute_backend_service")
    public = {name: each for name, each in plan.functions.items() if "route" in each}
    yield from differences("backends", backends, map(service_of, public))
    rules = _matcher(plan)["route_rules"]
    priorities = Counter(rule["priority"] for rule in rules)
    yield from (f"priority {each} is given {count} times" for each, count in priorities.items() if count > 1)
    answering = _matcher(plan)["default_service"].rpartition("/")[2]
    for name, declared in public.items():
        path = re.sub(r"\{\w+\}", "some-id_1", declared["route"]["path"])
        # Whatever a cache may keep can be asked for its headers alone, too.
        methods = [declared["route"]["method"], *(["HEAD"] if declared["cached"] else [])]
        for method, wanted in [*((method, service_of(name)) for method in methods), ("OPTIONS", answering)]:
            target = reached(rules, path, {":method": method})
            if target != wanted:
                yield f"{method} {path} reaches {target} instead of {wanted}"
        if not backends.get(service_of(name), {}).get("security_policy"):
            yield f"{name} has no rate rules"
    if stray := reached(rules, "/v0/nobody", {":method": "GET"}):
        yield f"what no function has declared reaches {stray}"


def caches(plan: Plan) -> Iterator[str]:
    """What a function lets a CDN keep is kept as docs/caching.md says, and nothing else is kept at all."""
    backends = plan.values("google_compute_backend_service")
    for name, declared in plan.functions.items():
        backend = backends.get(service_of(name))
        if backend is None:
            continue
        if backend["enable_cdn"] != declared["cached"]:
            yield f"{name} is cached: {backend['enable_cdn']}"
        if backend["enable_cdn"]:
            yield from (f"{name}: {each}" for each in _policy(backend["cdn_policy"][0]))


def _policy(policy: Json) -> Iterator[str]:
    wanted = {"cache_mode": "USE_ORIGIN_HEADERS", "negative_caching": False, "serve_while_stale": 0}
    found = {key: policy[key] for key in wanted}
    if found != wanted:
        yield f"the CDN has {found} instead of {wanted}"
    key = policy["cache_key_policy"][0]
    if not (key["include_host"] and key["include_query_string"]) or key["include_named_cookies"]:
        yield f"the CDN tells replies apart by {key}"
    if [each["header_name"] for each in policy["bypass_cache_on_request_headers"]] != ["Authorization"]:
        yield "the CDN answers whoever is signed in"


def limits(plan: Plan) -> Iterator[str]:
    """The URL map is within what Google takes: a map beyond that would be refused as a whole, at the apply."""
    url_map = plan.values("google_compute_url_map")["marquee"]
    rules = _matcher(plan)["route_rules"]
    matches = [match for rule in rules for match in rule["match_rules"]]
    for what, found, most in (
        ("route rules", len(rules), ROUTE_RULES),
        ("conditions", len(matches) + sum(len(match["header_matches"]) for match in matches), PREDICATES),
        ("path templates", sum(match["path_template_match"] is not None for match in matches), PATH_TEMPLATES),
        ("backends", len({rule["service"] for rule in rules}), BACKENDS),
        ("bytes", len(json.dumps(_without_absent(url_map))), SIZE_BYTES),
    ):
        if found > most:
            yield f"the URL map has {found} {what}, and the load balancer takes {most}"


def _matcher(plan: Plan) -> Json:
    return dict(plan.values("google_compute_url_map")["marquee"]["path_matcher"][0])


def _without_absent(value: object) -> object:
    """As the API gets it: without what was not said."""
    if isinstance(value, dict):
        return {key: _without_absent(each) for key, each in value.items() if each not in (None, [], {})}
    return [_without_absent(each) for each in value] if isinstance(value, list) else value
