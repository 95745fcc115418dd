"""`make smoke URL=…`: does this deployment do what it must? Anybody may ask; with a sign-in, a whole night out too.

Says what failed, with what was expected, what came, and under which request id the log has it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from infra.offline import ROOT
from infra.smoke.asking import TIMEOUT_S, Api, Wrong
from infra.smoke.journey import night_out
from infra.smoke.public import checks
from infra.smoke.sign_in import SignIn

if TYPE_CHECKING:
    from infra.smoke.public import Check

JOURNEY: Final = "a night out, from sign-in to the door"
# After an apply a route may reach the load balancer's edges late: what fails is asked once more.
SECOND_LOOK_AFTER_S: Final = 10.0
PUBLIC_WITHIN_S: Final = 40.0
ALL_WITHIN_S: Final = 58.0
AT_ONCE: Final = 16
USAGE: Final = """\
which deployment? make smoke URL=https://DOMAIN
With SMOKE_PHONE, SMOKE_CODE and SMOKE_API_KEY a whole journey is made too (docs/smoke.md)."""


@dataclass(frozen=True)
class Failure:
    """A check that failed, and how."""

    group: str
    wrong: Wrong


def smoke(url: str, sign_in: SignIn | str, run_url: str | None = None) -> bool:
    """Whether all is well; the table is printed."""
    began = time.monotonic()
    run = f"smoke-{uuid4().hex[:8]}"
    functions = json.loads((ROOT / "manifest.json").read_text())["functions"]
    wanted = list(checks(functions, url, run_url))
    local = urlsplit(url).hostname in {"127.0.0.1", "localhost"}
    with httpx.Client(base_url=url, trust_env=not local) as client:
        if unreached := _unreached(client):
            print(f"nothing answers at {url}: {unreached}")
            return False
        failures = _public(Api(client, run, began + PUBLIC_WITHIN_S), wanted)
        journey = "ok"
        if isinstance(sign_in, str):
            journey = f"skipped: {sign_in}"
        elif wrong := _tried(
            (JOURNEY, lambda api: night_out(api, sign_in.token())), Api(client, run, began + ALL_WITHIN_S)
        ):
            failures.append(Failure(JOURNEY, wrong))
    _report(url, run, wanted, journey, failures, time.monotonic() - began)
    return not failures


def _unreached(client: httpx.Client) -> str | None:
    """Why nobody is there, if so: of a wrong address that says more than a hundred failures."""
    try:
        client.head("/v1/genres", timeout=TIMEOUT_S)
    except httpx.ConnectError as failure:
        return str(failure)
    except httpx.TransportError:  # somebody is: what is wrong with their answers is found below
        return None
    return None


def _public(api: Api, wanted: list[Check]) -> list[Failure]:
    failed = _looked_at(api, wanted)
    if failed and time.monotonic() + SECOND_LOOK_AFTER_S < api.until:
        for _, wrong in failed:
            print(f"once more in {SECOND_LOOK_AFTER_S:.0f} s: {wrong}", flush=True)
        time.sleep(SECOND_LOOK_AFTER_S)
        failed = _looked_at(api, [check for check, _ in failed])
    return [Failure(group, wrong) for (group, _), wrong in failed]


def _looked_at(api: Api, wanted: list[Check]) -> list[tuple[Check, Wrong]]:
    """Those that failed. Side by side, because each function that starts takes seconds."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda check: _tried(check, api), wanted)
        return [(check, wrong) for check, wrong in zip(wanted, found, strict=True) if wrong is not None]


def _tried(check: Check, api: Api) -> Wrong | None:
    group, look = check
    try:
        look(api)
    except Wrong as wrong:
        return wrong
    except (httpx.HTTPError, LookupError, TypeError, ValueError) as failure:
        return Wrong(group, "a reply as documented", f"{type(failure).__name__}: {failure}")
    return None


def _report(url: str, run: str, wanted: list[Check], journey: str, failures: list[Failure], seconds: float) -> None:
    """A line a group, then each failure with what is needed to find it in the log."""
    print(f"{url}, request ids {run}-…\n")
    failed = Counter(failure.group for failure in failures)
    for group, number in Counter(group for group, _ in wanted).items():
        count = f" ({number})" if number > 1 else ""
        print(f"  {group + count:52} {f'{failed[group]} FAILED' if failed[group] else 'ok'}")
    print(f"  {JOURNEY:52} {'FAILED' if failed[JOURNEY] else journey}")
    for failure in failures:
        print(f"\nFAILED  {failure.group}: {failure.wrong.asked}")
        print(f"  expected  {failure.wrong.expected}")
        print(f"  got       {failure.wrong.got}")
        print(f"  request   {failure.wrong.request_id}")
    print(f"\n{f'{len(failures)} failed' if failures else 'all well'} after {seconds:.0f} s")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or urlsplit(arguments[0]).scheme not in {"http", "https"}:
        print(USAGE, file=sys.stderr)
        return 2
    return 0 if smoke(arguments[0].rstrip("/"), SignIn.of(), os.environ.get("SMOKE_RUN_URL") or None) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
