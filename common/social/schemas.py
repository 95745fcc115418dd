"""The shapes of what people follow and like."""

from __future__ import annotations

from common.wire import Record


class Taste(Record):
    """tastes/{userId}: whom a person follows and what they never want to see again, in one document, for one read."""

    venue_ids: tuple[str, ...] = ()
    artist_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    # Events marked as not interesting, the newest last.
    hidden_event_ids: tuple[str, ...] = ()
