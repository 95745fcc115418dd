"""Each night, and by hand after anything that looked wrong."""

from __future__ import annotations

from common import clock, log
from common.endpoint import Resources
from common.events import store
from common.operations.audit import audit_event, unsettled_webhooks
from common.trigger import Job, Nothing, Schedule, trigger


@trigger(Schedule("30 20 * * *"), resources=Resources(memory_mb=2048, timeout_s=1800, concurrency=1))
async def audit_invariants(job: Job[Nothing]) -> None:
    """Check the books of every event that is on sale or ended within a week; each violation is an alert.

    It changes nothing. At 20:30 UTC, when the evening's sales in India are over.
    """
    now = clock.now()
    violations = list(await unsettled_webhooks(now))
    async for event_id in store.events_to_audit(now):
        violations += await audit_event(event_id)
    for violation in violations:
        log.alert(
            "invariant violated", invariant=violation.invariant, subject=violation.subject, detail=violation.detail
        )
    log.info("audit finished", violations=len(violations))
