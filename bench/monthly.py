"""`python -m bench.monthly` works out what a month costs and writes it into docs/deploy.md.

Calls are priced by docs/costs.md, what surrounds them by the list prices below, and how often each happens by the
visit below: whoever doubts one of the three changes it there and runs this again.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "deploy.md"
BEGIN: Final = "<!-- Written by `python -m bench.monthly`. -->"
END: Final = "<!-- End of what it writes. -->"
VOLUMES: Final = (0, 10_000, 1_000_000)

MONTH_S: Final = 730 * 3600
GIB: Final = 1024**3
# From copies of cloud.google.com/run/pricing, /cdn/pricing and /firestore/pricing that were read on 2026-11-21.
READ: Final = "read"
# As known in November 2026; no page with the figure was at hand.
KNOWN: Final = "known"


@dataclass(frozen=True)
class Price:
    """US dollars for one of something, and what of it is free each month."""

    usd: float
    unit: str
    source: str
    free: float = 0


PRICES: Final = {
    "vcpu_s": Price(0.000024, "a vCPU-second while requests run, Cloud Run tier 1", READ, free=180_000),
    "gib_s": Price(0.0000025, "a GiB-second while requests run", READ, free=360_000),
    "idle_s": Price(0.0000025, "a vCPU-second or GiB-second of a warm instance that waits", KNOWN),
    "forwarding_h": Price(0.025, "an hour of up to five forwarding rules", KNOWN),
    "balanced_gib": Price(0.008, "a GiB through the load balancer", KNOWN),
    "cdn_lookup": Price(0.0075 / 10_000, "a lookup in Cloud CDN", READ),
    "cdn_gib": Price(0.09, "a GiB from Cloud CDN to Asia", READ),
    "cdn_fill_gib": Price(0.04, "a GiB into Cloud CDN, at most", READ),
    "sent_gib": Price(0.11, "a GiB from Mumbai to phones", KNOWN),
    "armor_policy": Price(5, "a Cloud Armor policy a month", KNOWN),
    "armor_rule": Price(1, "a Cloud Armor rule a month", KNOWN),
    "armor_request": Price(0.75 / 1e6, "a request that Cloud Armor looks at", KNOWN),
    "stored_gib": Price(0.15, "a GiB in Firestore a month", KNOWN, free=1),
    "recovery_gib": Price(0.15, "a GiB for point-in-time recovery a month", KNOWN),
    "backup_gib": Price(0.03, "a GiB of backups a month", KNOWN),
    "log_gib": Price(0.50, "a GiB of logs", KNOWN, free=50),
    "alert": Price(0.10, "a condition of an alert a month", KNOWN),
    "secret": Price(0.06, "a secret a month", KNOWN, free=6),
    "key_version": Price(0.06, "a version of a key a month", KNOWN),
    "job": Price(0.10, "a scheduled job a month", KNOWN, free=3),
    "image_gib": Price(0.10, "a GiB of images a month", KNOWN, free=0.5),
}

# One booking: a ticket for one, paid with Stripe and used at the door, with everything around it. Public reads first:
# how often, and kB of a reply. Several people look for one who books.
LOOKS: Final = {
    "get_feed": (12, 15.0),
    "search_events": (6, 15.0),
    "suggest_searches": (6, 1.0),
    "list_nearby_events": (4, 15.0),
    "get_venue": (1, 10.0),
    "list_venue_events": (1, 15.0),
    "get_event": (8, 6.0),
    "show_event_page": (2, 20.0),
    "get_availability": (5, 1.0),
}
ACTS: Final = {
    "create_session": 0.2,
    "get_me": 0.5,
    "add_interest": 1,
    "create_order": 1.3,  # some holds run out
    "checkout_order": 1.1,
    "receive_stripe_webhook": 3,
    "confirm_order": 1,
    "get_order": 2,
    "list_tickets": 1,
    "get_ticket": 1,
    "check_in": 1,
}
# What the commits of these set off, private and never seen by a phone.
SET_OFF: Final = {
    "relay_outbox": 8,
    "settle_payment": 3,
    "release_hold": 1.3,
    "refresh_availability": 1,
    "refresh_counts": 1,
    "refresh_listing": 0.3,
    "purge_cache": 0.1,
    "notify": 1,
}
ACT_KB: Final = 1.0
SIGNED_IN: Final = 0.3  # of public reads: the CDN lets them pass
KEPT: Final = {0: 0.0, 10_000: 0.2, 1_000_000: 0.6}  # of the others, what the CDN has when it is asked
BILLED_S: Final = 0.1  # a call by itself; in reality several share an instance
LOG_KB: Final = 0.8
STORED_KB: Final = 10.0  # a booking, for ever; the table is of the twelfth month
MONTHS: Final = 12
# One policy for each class of functions, with its own rule and the default one (terraform/modules/gateway/armor.tf).
POLICIES, RULES = 5, 2
ALERT_CONDITIONS: Final = 12
IMAGES_GIB: Final = 6.0
KEY_VERSIONS: Final = 2 * 5  # two keys, a new version every 90 days
PROBES: Final = 6 * 60 * 730  # six places, each minute


@cache
def per_call() -> dict[str, float]:
    """US dollars for one call of each function, from docs/costs.md."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\d.]+) \|$", (ROOT / "docs" / "costs.md").read_text(), re.MULTILINE)
    return {name: float(usd) / 1e6 for name, usd in rows}


@cache
def functions() -> dict[str, dict[str, object]]:
    return dict(json.loads((ROOT / "manifest.json").read_text())["functions"])


def gib_of(name: str) -> float:
    return float(str(functions()[name]["memory_mb"])) / 1024


def scheduled() -> dict[str, float]:
    """How often each job runs in a month, by its cron line."""
    runs = {}
    for name, each in functions().items():
        trigger = each.get("trigger")
        if isinstance(trigger, dict) and trigger["kind"] == "Schedule":
            minute, hour, *_ = str(trigger["cron"]).split()
            step = int(minute.removeprefix("*/")) if minute.startswith("*/") else 1
            runs[name] = 60 / step * 730 if hour == "*" else 730 / 24
    return runs


def warm() -> dict[str, int]:
    """The instances that production always has: terraform/environments/prod.tfvars."""
    said = re.search(r"^warm_instances = \{(.*)\}$", (ROOT / "terraform/environments/prod.tfvars").read_text(), re.M)
    return {name: int(count) for name, count in re.findall(r"(\w+) = (\d+)", said[1] if said else "")}


def cost(price: str, amount: float) -> float:
    """What this much of something costs beyond what of it is free."""
    return max(0.0, amount - PRICES[price].free) * PRICES[price].usd


@dataclass(frozen=True)
class Month:
    """What happens in a month with so many bookings."""

    bookings: int

    @property
    def asked(self) -> float:
        """Public reads that the CDN may answer."""
        return self.bookings * (1 - SIGNED_IN) * sum(times for times, _ in LOOKS.values())

    @property
    def reaching(self) -> float:
        """Of each public read, the part that reaches its function."""
        return SIGNED_IN + (1 - SIGNED_IN) * (1 - KEPT[self.bookings])

    def calls(self) -> dict[str, float]:
        """How often each function runs."""
        looks = {name: times * self.bookings * self.reaching for name, (times, _) in LOOKS.items()}
        rest = {name: times * self.bookings for name, times in (ACTS | SET_OFF).items()}
        return looks | rest | scheduled() | {"list_ticket_keys": PROBES}

    def seen(self) -> float:
        """Calls that come through the load balancer."""
        return sum(times for name, times in self.calls().items() if "route" in functions()[name])

    def gib(self) -> tuple[float, float, float]:
        """Sent by functions, by the CDN, and into the CDN."""
        looks = self.bookings * sum(times * kb for times, kb in LOOKS.values()) * 1000 / GIB
        acts = self.bookings * sum(ACTS.values()) * ACT_KB * 1000 / GIB
        public = looks * (1 - SIGNED_IN)
        return looks * SIGNED_IN + acts, public, public * (1 - KEPT[self.bookings])

    def lines(self) -> dict[str, float]:
        """US dollars by line."""
        calls = self.calls()
        by_function, by_cdn, into_cdn = self.gib()
        seconds = sum(calls.values()) * BILLED_S
        memory = sum(times * gib_of(name) for name, times in calls.items()) * BILLED_S
        stored = self.bookings * MONTHS * STORED_KB * 1000 / GIB
        waiting = sum(count * (1 + gib_of(name)) for name, count in warm().items()) * MONTH_S
        return {
            "Calls: Firestore, Pub/Sub, Tasks, requests (costs.md)": sum(
                times * per_call()[name] for name, times in calls.items()
            ),
            "Cloud Run: processor and memory": cost("vcpu_s", seconds) + cost("gib_s", memory),
            f"Instances kept warm: {sum(warm().values())}": cost("idle_s", waiting),
            "Load balancer": cost("forwarding_h", 730) + cost("balanced_gib", by_function + by_cdn),
            "Cloud Armor": cost("armor_policy", POLICIES)
            + cost("armor_rule", POLICIES * RULES)
            + cost("armor_request", self.seen()),
            "Cloud CDN": cost("cdn_lookup", self.asked) + cost("cdn_gib", by_cdn) + cost("cdn_fill_gib", into_cdn),
            "Other traffic to phones": cost("sent_gib", by_function),
            "Firestore: storage, recovery, backups": cost("stored_gib", stored)
            + cost("recovery_gib", stored)
            + cost("backup_gib", stored * 14),
            "Logs and alerts": cost("log_gib", sum(calls.values()) * LOG_KB * 1000 / GIB)
            + cost("alert", ALERT_CONDITIONS),
            "Images, secrets, keys, jobs": cost("image_gib", IMAGES_GIB)
            + cost("secret", len({secret for each in functions().values() for secret in _names(each["secrets"])}))
            + cost("key_version", KEY_VERSIONS)
            + cost("job", len(scheduled())),
        }


def _names(listed: object) -> list[str]:
    return [str(each) for each in listed] if isinstance(listed, list) else []


def page() -> str:
    """The tables, as Markdown."""
    months = [Month(bookings) for bookings in VOLUMES]
    lines = [month.lines() for month in months]
    rows = [
        f"| a month, US dollars | {' | '.join(f'{bookings:,} bookings' for bookings in VOLUMES)} |",
        "|---|---|---|---|",
    ]
    rows += [f"| {name} | {' | '.join(_money(each[name]) for each in lines)} |" for name in lines[0]]
    totals = [sum(each.values()) for each in lines]
    rows.append(f"| **Production** | {' | '.join(f'**{_money(total)}**' for total in totals)} |")
    each_costs = [
        f"{(total - totals[0]) / bookings:.5f}" for total, bookings in zip(totals[1:], VOLUMES[1:], strict=True)
    ]
    rows.append(f"| each booking beyond the idle month | | {' | '.join(each_costs)} |")
    profile = ", ".join(f"`{name}` {times:g}" for name, times in [*_looks(), *ACTS.items()])
    private = ", ".join(f"`{name}` {times:g}" for name, times in SET_OFF.items())
    prices = [f"| {_price(price)} | {price.unit} | {_free(price)} | {price.source} |" for price in PRICES.values()]
    return "\n".join(
        [
            *rows,
            "",
            f"**A booking** is {sum(times for _, times in [*_looks(), *ACTS.items()]):g} calls of phones: {profile}."
            f" They set off {sum(SET_OFF.values()):g} more: {private}. {SIGNED_IN:.0%} of the public reads come with a"
            f" token and pass the CDN; of the others it answers {KEPT[10_000]:.0%} at ten thousand bookings and"
            f" {KEPT[1_000_000]:.0%} at a million by itself. A call takes {BILLED_S * 1000:.0f} ms of an instance that"
            f" serves nobody else meanwhile, and logs {LOG_KB:g} kB; a booking leaves {STORED_KB:g} kB behind, and this"
            f" is the {MONTHS}th month.",
            "",
            "The price of each call, the jobs, memory, warm instances and secrets are counted from the code. Assumed,"
            " and measured by nobody yet, is how often people look and what the CDN has.",
            "",
            "| US dollars | for | free each month | source |",
            "|---|---|---|---|",
            *prices,
            "",
            "*read*: from a copy of Google's own page that was at hand on 2026-11-21. *known*: from memory, not from a"
            " page. Check both at cloud.google.com/pricing before you budget.",
        ]
    )


def _looks() -> list[tuple[str, int]]:
    return [(name, times) for name, (times, _) in LOOKS.items()]


def _money(usd: float) -> str:
    return f"{usd:.1f}" if usd < 10 else f"{usd:,.0f}"


def _price(price: Price) -> str:
    return f"{price.usd:.8f}".rstrip("0").rstrip(".")


def _free(price: Price) -> str:
    return f"{price.free:,g}" if price.free else ""


def written(text: str) -> str:
    """The document with the tables of today."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{page()}\n\n{END}{rest.split(END)[1]}"


def main() -> int:
    PAGE.write_text(written(PAGE.read_text()))
    print(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
