"""What the commit of a change plans so that Cloud CDN forgets what it keeps under a tag."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from common.config import config
from common.outbox import PlannedTask

if TYPE_CHECKING:
    from datetime import datetime

# A change is committed within 30 s of its moment, and a reply that was read before that is kept within 30 s more:
# no function runs longer.
LAST_FILL: Final = timedelta(seconds=75)


def purges(tag: str, changed_at: datetime) -> tuple[PlannedTask, ...]:
    """What the commit of a change plans; nothing where no CDN is told.

    Once at once, for those who ask next, and once after the last reply that was read before the change is kept.
    """
    if not config().cdn_url_map:
        return ()
    payload = {"tag": tag}
    after = changed_at + LAST_FILL
    return (
        PlannedTask(function="purge_cache", name=tag, payload=payload, once_every_s=1),
        PlannedTask(function="purge_cache", name=f"{tag}-{after:%Y%m%d%H%M%S}-last", payload=payload, at=after),
    )
