"""Planned by the commits that change what the CDN keeps."""

from __future__ import annotations

from common import cdn_invalidation
from common.trigger import Job, Task, trigger


# Cloud CDN takes 500 invalidations a minute.
@trigger(Task(queue="purge-cache", max_backoff_s=30, max_dispatches_per_second=8), payload=cdn_invalidation.Tagged)
async def purge_cache(job: Job[cdn_invalidation.Tagged]) -> None:
    """Call back what the CDN keeps under a tag."""
    await cdn_invalidation.invalidate(job.payload.tag, request=job.delivery_id)
