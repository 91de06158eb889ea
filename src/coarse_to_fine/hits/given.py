"""The hits that a caller gives."""

from __future__ import annotations

from collections.abc import Iterable

from coarse_to_fine.arguments import require_kind, several
from coarse_to_fine.types import MomentHit

SOURCE = "give what `Pipeline.search` gave"


def require_hit(given: object, name: str) -> None:
    """Raise unless this is a hit.

    Raises:
        UserError: it is something else.
    """
    require_kind(given, MomentHit, name, "a MomentHit", SOURCE)


def given_hits(hits: Iterable[MomentHit]) -> list[MomentHit]:
    """The hits as a list.

    Raises:
        UserError: they are no hits, such as one alone, or the lists of several searches.
    """
    listed = several(hits, "hits", "several MomentHit")
    for hit in listed:
        require_hit(hit, "one of the hits")
    return listed
