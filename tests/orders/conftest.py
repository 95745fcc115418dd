"""Requests served as by two instances, for the races that one instance alone cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common import clients
from common.orders import store
from common.orders.inventory import EventInventory

if TYPE_CHECKING:
    from tests.support.server import GatewayThread


@pytest.fixture
def two_instances(gateway: GatewayThread, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are served as by two instances in turn: each has its own view of every inventory."""
    made: dict[tuple[str, int], EventInventory] = {}
    turn = iter(range(10**9))

    def either(event_id: str) -> EventInventory:
        key = (event_id, next(turn) % 2)
        return made.setdefault(key, EventInventory(clients.firestore(), event_id, store.release_expired))

    monkeypatch.setattr(store, "event_inventory", either)
