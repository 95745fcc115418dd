"""Who may call an endpoint: every declaration names one policy, there is no default."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final

from common.errors import Forbidden

if TYPE_CHECKING:
    from common.endpoint import Call

Authorize = Callable[["Call[Any, Any]"], Awaitable[None]]


class SignIn(StrEnum):
    """What the wrapper does with the Authorization header before a policy decides."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True)
class Access:
    """A policy: how the caller signs in, and a check that raises where the caller may not."""

    name: str
    sign_in: SignIn
    authorize: Authorize | None = field(default=None, compare=False)

    PUBLIC: ClassVar[Access]
    SIGNED_IN: ClassVar[Access]
    ADMIN: ClassVar[Access]

    @staticmethod
    def provider_signature(verify: Authorize) -> Access:
        """A payment provider, known by its signature over the raw body."""
        return Access("provider_signature", SignIn.NONE, verify)


async def _admins_only(call: Call[Any, Any]) -> None:
    if not call.user.is_admin:
        raise Forbidden


Access.PUBLIC = Access("public", SignIn.OPTIONAL)
Access.SIGNED_IN = Access("signed_in", SignIn.REQUIRED)
Access.ADMIN = Access("admin", SignIn.REQUIRED, _admins_only)
INTERNAL: Final = "internal_oidc"
