"""What the environment decides, read once and typed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Final

GOOGLE_CERTS = "https://www.googleapis.com"
# Annotations are texts here.
NUMBERS: Final[dict[str, type[int | float]]] = {"int": int, "float": float}


@dataclass(frozen=True)
class Config:
    """One attribute a variable; the variable is the attribute's name in capitals, but for those mapped below."""

    project: str
    location: str = "asia-south1"
    firebase_keys_url: str = f"{GOOGLE_CERTS}/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
    firebase_auth_emulator_host: str = ""
    oidc_keys_url: str = f"{GOOGLE_CERTS}/oauth2/v3/certs"
    invoker_service_account: str = ""
    # Set to "cloud-run" where Cloud Run has checked the invoker's token, and cut its signature off, before we see it.
    invoker_checked_by: str = ""
    trigger_url_template: str = ""
    cloud_tasks_emulator_host: str = ""
    allowed_origins: str = ""
    public_base_url: str = "https://marquee.example"
    app_link_template: str = "marquee://events/{event_id}"
    compute_api_base: str = "https://compute.googleapis.com"
    cdn_url_map: str = ""
    hold_seconds: int = 600
    booking_fee_basis_points: int = 1_000
    payout_after_days: int = 3
    ticket_signing_key: str = ""
    retired_ticket_keys: str = ""
    stripe_api_base: str = "https://api.stripe.com"
    stripe_secret_key: str = ""
    stripe_publishable_key: str = ""
    stripe_webhook_secret: str = ""
    razorpay_api_base: str = "https://api.razorpay.com"
    razorpay_key_id: str = ""
    razorpay_key_secret: str = ""
    razorpay_webhook_secret: str = ""
    paystack_api_base: str = "https://api.paystack.co"
    paystack_secret_key: str = ""
    paystack_mail_domain: str = "buyers.marquee.example"
    fcm_api_base: str = "https://fcm.googleapis.com"
    sendgrid_api_base: str = "https://api.sendgrid.com"
    sendgrid_api_key: str = ""
    mail_from: str = ""
    twilio_api_base: str = "https://api.twilio.com"
    twilio_account_sid: str = ""
    twilio_auth_token: str = ""
    sms_from: str = ""
    # "on" records spans (common/tracing.py) of this share of the requests that nobody traces yet.
    traces: str = ""
    trace_ratio: float = 1.0
    trace_endpoint: str = "https://telemetry.googleapis.com/v1/traces"

    def trigger_url(self, name: str) -> str:
        """Where the private function of this name is called, which is also its OIDC audience."""
        return self.trigger_url_template.format(name=name, service=name.replace("_", "-"))


@cache
def config() -> Config:
    """The configuration of this process. A missing GOOGLE_CLOUD_PROJECT is a KeyError at the first use."""
    values: dict[str, str | int | float] = {"project": os.environ["GOOGLE_CLOUD_PROJECT"]}
    for name, field in Config.__dataclass_fields__.items():
        text = os.environ.get(name.upper())
        if name != "project" and text:
            values[name] = NUMBERS.get(str(field.type), str)(text)
    return Config(**values)  # type: ignore[arg-type]  # the loop above keeps each field's type
