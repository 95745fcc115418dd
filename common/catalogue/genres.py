"""The genre tree: which genres belong under which, and the colour each is shown in. It is data in genres.json."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple


class GenreNode(NamedTuple):
    """A genre as events name it; a root has no parent. The colour is `#RRGGBB`."""

    genre: str
    parent: str | None
    colour: str


@cache
def tree() -> dict[str, GenreNode]:
    """Every known genre by its name, parents before their children."""
    nodes = (GenreNode(**fields) for fields in json.loads(Path(__file__).with_name("genres.json").read_bytes()))
    return {node.genre: node for node in nodes}


@cache
def with_ancestors(genre: str) -> tuple[str, ...]:
    """The genre, its parent, and so on up to the root."""
    node = tree().get(genre)
    return (genre, *with_ancestors(node.parent)) if node and node.parent else (genre,)
