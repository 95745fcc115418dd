"""Planned by the commits that change what the CDN keeps."""

from __future__ import annotations

from common import cdn
from common.trigger import Job, Task, trigger


# Cloud CDN takes 500 invalidations a minute.
@trigger(Task(queue="purge-cache", max_backoff_s=30, max_dispatches_per_second=8), payload=cdn.Tagged)
async def purge_cache(job: Job[cdn.Tagged]) -> None:
    """Call back what the CDN keeps under a tag."""
    await cdn.invalidate(job.payload.tag, request=job.delivery_id)
