"""A sign-in with one of the project's own test numbers: its code is fixed, no SMS is sent and no app is verified."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from infra.smoke.asking import TIMEOUT_S, Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOGLE: Final = "https://identitytoolkit.googleapis.com"
EMULATOR: Final = "FIREBASE_AUTH_EMULATOR_HOST"


@dataclass(frozen=True)
class SignIn:
    """Who signs in, and where. Without a code it is the Auth emulator, which shows what it would send."""

    phone: str
    code: str
    api_key: str
    identity: str = GOOGLE
    emulated_project: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> SignIn | str:
        """The one that the environment names, or why there is none."""
        phone, code, key = (environment.get(f"SMOKE_{name}", "") for name in ("PHONE", "CODE", "API_KEY"))
        emulator = environment.get(EMULATOR)
        if not phone:
            return "no SMOKE_PHONE"
        if emulator and not code:
            identity = f"http://{emulator}/identitytoolkit.googleapis.com"
            return cls(phone, "", "local", identity, environment["GOOGLE_CLOUD_PROJECT"])
        missing = [name for name, value in (("SMOKE_CODE", code), ("SMOKE_API_KEY", key)) if not value]
        if missing:
            return f"no {' and no '.join(missing)}"
        return cls(phone, code, key, environment.get("SMOKE_IDENTITY_URL", GOOGLE))

    def token(self) -> str:
        """The ID token of this number. The first sign-in ever makes the account."""
        with httpx.Client(timeout=TIMEOUT_S, trust_env=not self.emulated_project) as google:
            begun = self._ask(google, "sendVerificationCode", phoneNumber=self.phone)
            code = self.code or self._shown(google)
            signed = self._ask(google, "signInWithPhoneNumber", sessionInfo=begun["sessionInfo"], code=code)
        return signed["idToken"]

    def _ask(self, google: httpx.Client, method: str, **body: str) -> dict[str, str]:
        url = f"{self.identity}/v1/accounts:{method}"
        try:
            # In a header: an address with a key in it would stand in logs.
            reply = google.post(url, json=body, headers={"X-Goog-Api-Key": self.api_key})
            answered: dict[str, str] = reply.json()
        except (httpx.HTTPError, ValueError) as failure:
            raise Wrong(f"POST {url}", "a sign-in", f"{type(failure).__name__}: {failure}") from failure
        if not reply.is_success:
            raise Wrong(f"POST {url}", "a sign-in", f"{reply.status_code} {reply.text[:300]}")
        return answered

    def _shown(self, google: httpx.Client) -> str:
        """The code that the Auth emulator keeps for people to read."""
        host = self.identity.removesuffix("/identitytoolkit.googleapis.com")
        shown = google.get(f"{host}/emulator/v1/projects/{self.emulated_project}/verificationCodes").json()
        return [str(sent["code"]) for sent in shown["verificationCodes"] if sent["phoneNumber"] == self.phone][-1]
