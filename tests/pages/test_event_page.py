"""The page of an event: what people read, what a shared link previews, what search engines learn, and who sees it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.people import accepted, create_organization, event_body, order_body, publish_event, tier_body

if TYPE_CHECKING:
    import httpx

    from tests.conftest import SignIn
    from tests.support.people import Json, Person

HOSTILE = '</script><script>alert(1)</script>"><img src=x onerror=alert(1)> & \u2028 {{ 7*7 }}'
IMAGE = {"url": "https://img.example/night.jpg", "alt": "Lasers over a crowd"}


class Page(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, reply: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.data = ""
        self._inside = ""
        self.html = reply.text
        self.feed(reply.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag if tag in {"script", "style", "title"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.data += data
        elif not self._inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def described(self) -> Json:
        described: Json = json.loads(self.data)
        return described

    def meta(self, name: str) -> str | None:
        for tag, attributes in self.tags:
            if tag == "meta" and name in {attributes.get("property"), attributes.get("name")}:
                return attributes["content"]
        return None

    def links(self) -> list[str]:
        return [attributes["href"] for tag, attributes in self.tags if tag == "a"]


def page_of(client: httpx.Client, event: Json) -> Page:
    reply = client.get(f"/e/{event['slug']}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Page(reply)


@pytest.fixture
def rich(host: Person) -> Json:
    """An event with everything on it, at a fixed time."""
    return publish_event(
        host,
        tier_body("Early", 49_900, originalPrice={"amountMinor": 79_900, "currency": "INR"}, benefits=["One drink"]),
        tier_body("Table", 15_000_000, 5),
        startsAt="2031-11-22T15:30:00Z",
        endsAt="2031-11-22T21:30:00Z",
        doorsAt="2031-11-22T14:30:00Z",
        lineup=[{"artist": "Paper Monsoon"}, {"artist": "Fẹlá Kútì", "headliner": True, "startsAt": _AT}],
        images=[IMAGE],
        dressCode="All black",
    )


_AT = "2031-11-22T17:00:00Z"


def test_people_read_when_where_who_and_what_it_costs(anonymous: httpx.Client, rich: Json) -> None:
    text = page_of(anonymous, rich).text
    for words in (
        "Night at the Mill by Mill Nights",
        "Saturday 22 November 2031 9:00 pm – 3:00 am IST, into Sunday · Doors 8:00 pm",
        "Mill No. 5 Lower Parel, Mumbai",
        "Early One drink ₹799 ₹499",
        "Table ₹1,50,000",
        "Fẹlá Kútì 10:30 pm Paper Monsoon",
        "Age 18 and older Dress code All black Music techno",
        "From ₹499 Get tickets",
    ):
        assert words in text


def test_a_shared_link_previews(anonymous: httpx.Client, rich: Json) -> None:
    page = page_of(anonymous, rich)
    address = f"{str(anonymous.base_url).rstrip('/')}/e/{rich['slug']}"
    assert page.meta("og:title") == "Night at the Mill"
    assert page.meta("og:image") == IMAGE["url"]
    assert page.meta("og:image:alt") == IMAGE["alt"]
    assert page.meta("og:url") == address
    assert (page.meta("og:type"), page.meta("og:site_name")) == ("website", "Marquee")
    assert page.meta("twitter:card") == "summary_large_image"
    described = page.meta("og:description") or ""
    assert described.startswith("Saturday 22 November 2031, 9:00 pm – 3:00 am IST, into Sunday · Mill No. 5, Mumbai.")
    assert len(described) <= 161
    assert ("link", {"rel": "canonical", "href": address}) in page.tags
    # Crawlers of chats read little: the tags come first, and the whole is small.
    first = page.html.encode()[:1024].decode(errors="ignore")
    assert all(f'property="og:{name}"' in first for name in ("title", "image", "url", "description", "type"))
    assert len(page.html.encode()) < 20_000


def test_search_engines_learn_what_google_asks_for(anonymous: httpx.Client, rich: Json) -> None:
    page = page_of(anonymous, rich)
    data = page.described
    assert (data["@context"], data["@type"], data["name"]) == ("https://schema.org", "Event", "Night at the Mill")
    assert (data["startDate"], data["endDate"]) == ("2031-11-22T21:00:00+05:30", "2031-11-23T03:00:00+05:30")
    assert data["eventStatus"] == "https://schema.org/EventScheduled"
    assert data["eventAttendanceMode"] == "https://schema.org/OfflineEventAttendanceMode"
    assert data["image"] == [IMAGE["url"]]
    assert data["location"] == {
        "@type": "Place",
        "name": "Mill No. 5",
        "address": {
            "@type": "PostalAddress",
            "streetAddress": "Lower Parel",
            "addressLocality": "Mumbai",
            "addressCountry": "IN",
        },
        "geo": {"@type": "GeoCoordinates", "latitude": 18.9953, "longitude": 72.83},
    }
    assert [each["name"] for each in data["performer"]] == ["Fẹlá Kútì", "Paper Monsoon"]
    assert data["organizer"]["name"] == "Mill Nights"
    early, table = data["offers"]
    assert (early["price"], early["priceCurrency"]) == ("499.00", "INR")
    assert (table["price"], table["availability"]) == ("150000.00", "https://schema.org/InStock")
    assert early["url"] == data["url"] == page.meta("og:url")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:30", early["validFrom"])


def test_nothing_that_an_organizer_writes_becomes_markup(anonymous: httpx.Client, host: Person) -> None:
    event = publish_event(
        host,
        tier_body(HOSTILE, benefits=[HOSTILE]),
        title=HOSTILE[:100],
        description=HOSTILE,
        dressCode=HOSTILE,
        lineup=[{"artist": HOSTILE}],
        images=[{"url": 'https://img.example/"><script>alert(1)</script>', "alt": HOSTILE}],
        venue={"name": HOSTILE, "address": HOSTILE, "city": HOSTILE, "latitude": 1, "longitude": 1},
    )
    reply = anonymous.get(f"/e/{event['slug']}")
    page = Page(reply)
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{"type": "application/ld+json"}]
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.described["description"] == HOSTILE
    assert "{{ 7*7 }}" in page.text
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "http" not in policy.replace("img-src https:", "")


def test_a_long_event_is_still_a_small_page(anonymous: httpx.Client, host: Person) -> None:
    lineup = [{"artist": f"{'कलाकार ' * 25}{number}"} for number in range(90)]
    tiers = [tier_body(f"Tier {number}", benefits=["Two drinks"] * 20) for number in range(20)]
    event = publish_event(host, *tiers, description="रात " * 1200, lineup=lineup)
    reply = anonymous.get(f"/e/{event['slug']}")
    assert reply.status_code == 200
    assert len(reply.content) < 300_000


# --- what the page says of the sale


def words(client: httpx.Client, event: Json) -> tuple[str, list[str]]:
    page = page_of(client, event)
    states = [offer["availability"].rpartition("/")[2] for offer in page.described["offers"]]
    return page.text, states


def test_sold_out_and_paused_tiers(anonymous: httpx.Client, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body("One", capacity=1), tier_body("Two", 70_000), tier_body("Three", 90_000))
    accepted(buyer.post("/v1/orders", order_body(event)))
    accepted(host.call("PATCH", f"/v1/events/{event['eventId']}/tiers/{event['tiers'][1]['tierId']}", {"paused": True}))
    text, states = words(anonymous, event)
    assert "One Sold out ₹500 Two Not on sale at the moment ₹700 Three ₹900" in text
    assert states == ["SoldOut", "OutOfStock", "InStock"]
    assert "₹900 Get tickets" in text


def test_a_sold_out_event_offers_no_ticket(anonymous: httpx.Client, host: Person, buyer: Person) -> None:
    event = publish_event(host, tier_body(capacity=1))
    accepted(buyer.post("/v1/orders", order_body(event)))
    page = page_of(anonymous, event)
    assert page.text.endswith("Sold out")
    assert not any(link.startswith("marquee:") for link in page.links())


def test_sales_that_begin_later_and_that_are_over(anonymous: httpx.Client, host: Person) -> None:
    times = {"startsAt": "2031-11-22T15:30:00Z", "endsAt": "2031-11-22T21:30:00Z"}
    later = tier_body("Later", saleStartsAt="2031-11-01T06:30:00Z")
    over = tier_body("Over", 70_000, saleEndsAt="2021-11-01T06:30:00Z")
    event = publish_event(host, later, over, **times)
    text, states = words(anonymous, event)
    assert "Later On sale from Saturday 1 November, 12:00 pm ₹500" in text
    assert "Over Sale has ended ₹700" in text
    assert states == ["PreOrder", "OutOfStock"]
    assert text.endswith("Not on sale yet")


def test_the_price_of_the_step_that_holds(anonymous: httpx.Client, host: Person, buyer: Person) -> None:
    step = {"price": {"amountMinor": 40_000, "currency": "INR"}, "untilSold": 1}
    event = publish_event(host, tier_body("General", 50_000, priceSteps=[step]))
    assert "General ₹500 ₹400" in words(anonymous, event)[0]
    accepted(buyer.post("/v1/orders", order_body(event)))
    text, _ = words(anonymous, event)
    assert "General ₹500" in text
    assert "₹400" not in text


def test_a_cancelled_event_says_so(anonymous: httpx.Client, host: Person) -> None:
    event = publish_event(host)
    accepted(host.post(f"/v1/events/{event['eventId']}/cancel"))
    page = page_of(anonymous, event)
    assert "This event is cancelled. Everybody who paid gets their money back." in page.text
    assert page.described["eventStatus"] == "https://schema.org/EventCancelled"
    assert page.described["startDate"]
    assert page.text.endswith("Cancelled")
    assert not any(link.startswith("marquee:") for link in page.links())


# --- where it is, and for whom


def test_the_links_lead_to_the_app_the_map_and_the_calendar(anonymous: httpx.Client, rich: Json) -> None:
    links = page_of(anonymous, rich).links()
    assert f"marquee://events/{rich['eventId']}" in links
    assert "https://www.google.com/maps/search/?api=1&query=18.9953%2C72.83" in links
    assert anonymous.get(f"/e/{rich['slug']}/event.ics").status_code == 200
    assert f"/e/{rich['slug']}/event.ics" in links


@pytest.mark.parametrize("file", ["", "/event.ics"])
def test_the_id_finds_the_event_under_any_title(anonymous: httpx.Client, host: Person, file: str) -> None:
    event = publish_event(host)
    accepted(host.call("PATCH", f"/v1/events/{event['eventId']}", {"title": "Night by the Sea"}))
    for slug in (event["slug"], event["eventId"], f"anything-{event['eventId']}"):
        moved = anonymous.get(f"/e/{slug}{file}")
        assert moved.status_code == 301
        assert moved.headers["location"] == f"/e/night-by-the-sea-{event['eventId']}{file}"
    assert anonymous.get(moved.headers["location"]).status_code == 200


@pytest.mark.parametrize("file", ["", "/event.ics"])
def test_drafts_and_private_events_are_there_for_members_only(
    anonymous: httpx.Client, host: Person, buyer: Person, file: str
) -> None:
    org_id = create_organization(host)
    draft = accepted(host.post("/v1/events", event_body(org_id)))
    private = publish_event(host, org_id=org_id, visibility="private")
    for event in (draft, private):
        path = f"/e/{event['slug']}{file}"
        assert anonymous.get(path).status_code == 404
        # Nor does an address tell that it exists, or what it is called.
        assert anonymous.get(f"/e/{event['eventId']}{file}").status_code == 404
        assert buyer.get(path).status_code == 404
        reply = host.get(path)
        assert reply.status_code == 200
        if not file:
            assert Page(reply).meta("robots") == "noindex"


UNKNOWN: list[Any] = ["nothing", "x-evt_unknown", "evt_", "a-", "a-__x__", "-", f"x-evt_{'a' * 24}", "evt_" + "A" * 24]


@pytest.mark.parametrize("slug", UNKNOWN)
def test_a_page_that_is_not_there_is_a_page(anonymous: httpx.Client, slug: str) -> None:
    reply = anonymous.get(f"/e/{slug}")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "This event is not here" in reply.text
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-request-id"] in reply.text
    assert anonymous.get(f"/e/{slug}/event.ics").json()["code"] == "not_found"


@pytest.mark.parametrize("slug", ["%3Cscript%3E", "%E0%A4%B0", "a.b", "a%20b", "x" * 129])
def test_an_address_that_none_can_have_is_a_page_too(anonymous: httpx.Client, slug: str) -> None:
    reply = anonymous.get(f"/e/{slug}")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_other_refusals_are_pages_too(anonymous: httpx.Client, sign_in: SignIn) -> None:
    refused = anonymous.post("/e/anything")
    assert refused.status_code == 405
    expired = sign_in(exp=1, iat=0).get("/e/anything")
    assert (expired.status_code, expired.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert expired.headers["www-authenticate"] == "Bearer"
    assert "token_expired" in expired.text


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Alẹ́ Àfrobeat ní Èkó", "ale-afrobeat-ni-eko"),
        ("रात की महफ़िल", "rat-ki-mhphil"),
        ("🎉🎉🎉", ""),
        ("ليلة طويلة", "lylh-twylh"),
    ],
)
def test_names_in_every_script(anonymous: httpx.Client, host: Person, title: str, slug: str) -> None:
    event = publish_event(host, title=title)
    assert event["slug"].startswith(slug)
    page = page_of(anonymous, event)
    assert page.meta("og:title") == title
    assert page.described["name"] == title
    assert title in page.text
