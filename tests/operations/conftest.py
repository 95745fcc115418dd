"""Private functions to call, and the places where they hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.jobs import HandOver, Jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.people import SigningKeys
    from tests.support.server import GatewayThread


@pytest.fixture
def jobs(anonymous: httpx.Client, signing_keys: SigningKeys) -> Jobs:
    return Jobs(anonymous, signing_keys)


@pytest.fixture
def hand_over(gateway: GatewayThread, project: str) -> Iterator[HandOver]:
    opened = HandOver(gateway, project)
    opened.open()
    yield opened
    opened.close()
