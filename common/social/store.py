"""What people follow and like, in Firestore: tastes/{userId}."""

from __future__ import annotations

from typing import Final

from common import clients
from common.social.schemas import Taste

TASTES: Final = "tastes"


async def taste_of(user_id: str) -> Taste:
    """What the person follows and hides; empty for somebody new."""
    snapshot = await clients.firestore().document(f"{TASTES}/{user_id}").get()
    return Taste.of(snapshot.to_dict()) if snapshot.exists else Taste()
