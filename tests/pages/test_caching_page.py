"""docs/caching.md has every route that caches keep, with its time, and no other."""

from __future__ import annotations

import re

from common.caching import UNTOLD_S
from common.cdn import LAST_FILL
from manifest.discover import ROOT, discover

PAGE = (ROOT / "docs" / "caching.md").read_text()
ROW = re.compile(r"^\| `(GET [^`]+)` \| (\d+) \| (event|–) \|", re.MULTILINE)


def test_the_table_is_what_the_routes_declare() -> None:
    written = {route: (int(seconds), tag == "event") for route, seconds, tag in ROW.findall(PAGE)}
    declared = {
        f"{spec.method} {spec.path}": (spec.cache.shared_s, spec.cache.tag is not None)
        for spec in discover().endpoints
        if spec.cache
    }
    assert written == declared


def test_only_what_everybody_may_ask_for_is_kept() -> None:
    for spec in discover().endpoints:
        assert spec.cache is None or (spec.method, spec.access.name) == ("GET", "public"), spec.name


def test_no_reply_is_under_way_for_longer_than_until_the_last_purge() -> None:
    longest = max(spec.resources.timeout_s for spec in discover().endpoints)
    assert 2 * longest < LAST_FILL.total_seconds()


def test_the_page_says_what_happens_without_a_purge() -> None:
    assert f"tagged replies are kept for {UNTOLD_S} s" in " ".join(PAGE.split())
