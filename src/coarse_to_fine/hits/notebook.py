"""Hits in a notebook: HTML with key frames, nothing loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from coarse_to_fine.errors import VideoError
from coarse_to_fine.hits.files import as_unicode
from coarse_to_fine.hits.given import given_hits
from coarse_to_fine.hits.times import clock_range
from coarse_to_fine.types import MomentHit

PICTURE_WIDTH = 240
LIST_STYLE = "display:flex;flex-wrap:wrap;gap:12px;font:14px/1.4 system-ui,sans-serif;list-style:none;padding:0"
CARD_STYLE = f"width:{PICTURE_WIDTH}px;border:1px solid #8888;border-radius:8px;overflow:hidden;margin:0"
PICTURE_STYLE = f"display:block;width:{PICTURE_WIDTH}px;height:135px;object-fit:contain;background:#000"


@dataclass(frozen=True, slots=True)
class ShownHits:
    """Hits as a notebook shows them (`_repr_html_`); elsewhere their plain lines."""

    hits: tuple[MomentHit, ...]
    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        lines = [
            f"{place:3d}  {clock_range(hit.start_s, hit.end_s):>17}  {hit.score:.2f}  {hit.path}"
            for place, hit in enumerate(self.hits, start=1)
        ]
        return "\n".join(lines) if lines else "no moment found"


def display_hits(hits: Sequence[MomentHit], pictures: bool = True) -> ShownHits:
    """Show hits as cards with the frame in the middle of each moment; the last line of a notebook's cell.

    Args:
        hits: what a search gave.
        pictures: decode a frame of each hit and put it into the HTML; a file that cannot be read gets its reason.

    Raises:
        UserError: they are no hits.

    Example:
        pipeline = Pipeline.load("videos.ctf")
        display_hits(pipeline.search("a dog jumps into the water"))
    """
    hits = given_hits(hits)
    cards = "".join(_card(hit, place, pictures) for place, hit in enumerate(hits, start=1))
    html = f'<ol style="{LIST_STYLE}">{cards}</ol>' if hits else "<p>no moment found</p>"
    return ShownHits(tuple(hits), as_unicode(html))


def _card(hit: MomentHit, place: int, pictures: bool) -> str:
    name, times = escape(Path(hit.path).name), clock_range(hit.start_s, hit.end_s)
    picture = _picture(hit) if pictures else ""
    return (
        f'<li style="{CARD_STYLE}">{picture}<div style="padding:6px 10px"><div style="overflow-wrap:anywhere">'
        f'<b>{place}. <span dir="auto" title="{escape(hit.path)}">{name}</span></b></div>'
        f"<div>{times} · score {hit.score:.2f}</div></div></li>"
    )


def _picture(hit: MomentHit) -> str:
    from coarse_to_fine.video import probe, thumbnail

    try:
        made = thumbnail(probe(hit.path), (hit.start_s + hit.end_s) / 2)
    except VideoError as error:
        return f'<div style="{PICTURE_STYLE};color:#fff;padding:8px;box-sizing:border-box">{escape(str(error))}</div>'
    data = base64.b64encode(made).decode("ascii")
    return f'<img alt="" style="{PICTURE_STYLE}" src="data:image/jpeg;base64,{data}">'
