"""Where the load balancer would send a request: the route rules of a URL map, read as Envoy reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]


def reached(rules: Iterable[Json], path: str, headers: Mapping[str, str]) -> str | None:
    """The backend service of the first rule that fits, by priority; None where none does."""
    for rule in sorted(rules, key=lambda rule: rule["priority"]):
        if any(_fits(match, path, headers) for match in rule["match_rules"]):
            return str(rule["service"]).rpartition("/")[2]
    return None


def _fits(match: Json, path: str, headers: Mapping[str, str]) -> bool:
    if match["full_path_match"] is not None and match["full_path_match"] != path:
        return False
    if match["prefix_match"] is not None and not path.startswith(match["prefix_match"]):
        return False
    template = match["path_template_match"]
    if template is not None and not re.fullmatch(re.escape(template).replace(r"\*", "[^/]+"), path):
        return False
    return all(headers.get(each["header_name"]) == each["exact_match"] for each in match["header_matches"])
