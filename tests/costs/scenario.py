"""What a scenario is, and the list of all of them by the name of the function that each calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import httpx

    from tests.costs.shop import Shop
Act = Callable[[], "httpx.Response"]
# Sets a scenario up once, and gives a function that prepares one more call of it.
Scenario = Callable[["Shop"], Callable[[], Act]]
SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(set_up: Scenario) -> Scenario:
    """Register a scenario under the name of the function that it calls."""
    SCENARIOS[set_up.__name__] = set_up
    return set_up
