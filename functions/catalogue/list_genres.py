"""GET /v1/genres."""

from __future__ import annotations

from common.access import Access
from common.caching import Cache
from common.catalogue import genres
from common.catalogue.schemas import GenreReply
from common.endpoint import Call, endpoint
from common.paging import Page


@endpoint("GET", "/v1/genres", access=Access.PUBLIC, cache=Cache(3600), returns=Page[GenreReply])
async def list_genres(call: Call) -> Page[GenreReply]:
    """The genre tree: all of it, parents before their children.

    Whoever looks for a genre finds what is below it too. An event may name a genre that is not here.
    """
    return Page(items=tuple(GenreReply(**node._asdict()) for node in genres.tree().values()))
