"""The libraries that functions may import before their first answer: a new one is a decision about cold starts."""

from __future__ import annotations

from typing import Final

# What any function may come to. Firestore's client brings what is Google's own, `jwt` brings cryptography, and
# opentelemetry is loaded where TRACES=on only (tests/observability/test_spans.py).
ANY_FUNCTION: Final = frozenset(
    {
        "anyascii",
        "cryptography",
        "geohash2",
        "google.api_core",
        "google.auth",
        "google.cloud.firestore",
        "google.cloud.firestore_v1",
        "google.protobuf",
        "grpc",
        "jwt",
        "opentelemetry",
        "pydantic",
        "pydantic_core",
        "requests",
        "starlette",
        "typing_extensions",
    }
)

WEBHOOKS: Final = {"receive_paystack_webhook", "receive_razorpay_webhook", "receive_stripe_webhook"}
TALK_TO_PROVIDERS: Final = WEBHOOKS | {
    "checkout_order",
    "confirm_order",
    "execute_refund",
    "reconcile_payments",
    "retry_refund",
    "settle_payment",
}
HAND_OVER: Final = {"announce_event", "relay_outbox", "sweep_outbox"}

# Each other library, and the functions that may import it.
SOME_FUNCTIONS: Final = {
    # Its revocation of tokens is Firebase's own; keys of tokens are checked without it.
    "firebase_admin": {"end_session"},
    "google.cloud.pubsub_v1": HAND_OVER,
    "google.cloud.tasks_v2": HAND_OVER,
    "httpx": TALK_TO_PROVIDERS | {"announce_event", "notify", "purge_cache"},
    "icalendar": {"download_event_calendar"},
    "jinja2": {"show_event_page"},
    "markupsafe": {"show_event_page"},
    "rapidfuzz": {"search_all", "search_events", "suggest_searches"},
    "razorpay": TALK_TO_PROVIDERS,
    "segno": {"get_ticket"},
    "stripe": TALK_TO_PROVIDERS,
}

# What nothing that a person waits for loads, not even through another library.
TOO_HEAVY: Final = frozenset(
    {
        "flask",
        "functions_framework",
        "google.cloud.aiplatform",
        "google.cloud.bigquery",
        "google.cloud.storage",
        "googleapiclient",
        "gunicorn",
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "tensorflow",
        "torch",
        "vertexai",
        "werkzeug",
    }
)
