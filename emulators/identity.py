"""The stand-in for Google's token service: one key signs every service account token of the local cloud."""

import hashlib
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://accounts.google.com"
LIFETIME_S = 3600


class LocalIdentity:
    """Signs OIDC tokens of any service account with a key of its own, and publishes the public half."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = hashlib.sha256(public).hexdigest()[:40]

    def token(self, audience: str, email: str) -> str:
        """The OIDC token that `email` presents to `audience`."""
        now = int(time.time())
        subject = _subject(email)
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def access_token(self, email: str, scope: str) -> str:
        """An opaque OAuth token: as with Google's, nobody but the issuer can read anything from it."""
        return f"ya29.local-{hashlib.sha256(f'{email} {scope}'.encode()).hexdigest()}"

    def jwks(self) -> dict[str, object]:
        """The public key set, in the form of https://www.googleapis.com/oauth2/v3/certs."""
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        numbers = {name: key[name] for name in ("kty", "n", "e")}
        return {"keys": [{**numbers, "alg": "RS256", "use": "sig", "kid": self._key_id}]}


def _subject(email: str) -> str:
    """A stable number of 21 digits, the form of a service account's unique id."""
    digest = int.from_bytes(hashlib.sha256(email.encode()).digest())
    return f"1{digest % 10**20:020d}"
