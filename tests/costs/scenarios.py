"""For each declared function, one usual call: what must be there before it, and the call itself."""

from __future__ import annotations

# Each registers its own.
import tests.costs.discovery_scenarios
import tests.costs.job_scenarios
import tests.costs.money_scenarios
import tests.costs.people_scenarios
import tests.costs.selling_scenarios  # noqa: F401
from tests.costs.scenario import SCENARIOS

__all__ = ["SCENARIOS"]
