"""A notebook shows hits with key frames and nothing that a file name could smuggle in."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from coarse_to_fine.hits.notebook import display_hits


def test_every_hit_is_a_card_with_its_frame(hits):
    html = display_hits(hits)._repr_html_()
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    assert len(pictures) == len(hits)
    for data in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 48)
    assert "0:01.0-0:03.0" in html
    assert html.count("<li") == html.count("</li>") == len(hits)


def test_nothing_is_loaded_from_anywhere(hits):
    html = display_hits(hits).html
    assert not re.search(r"src=\"(?!data:)|https?:|url\(|<script", html)


def test_names_are_escaped(hits):
    html = display_hits([replace(hits[0], path='/videos/<img src=x onerror=1>&".mp4')], pictures=False).html
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_file_that_cannot_be_read_gets_its_reason(hits, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    html = display_hits([replace(hits[0], path=str(tmp_path / "bad.mp4")), hits[1]]).html
    assert html.count("data:image") == 1
    assert html.count("<li") == 2


@pytest.mark.parametrize("count", [0, 2])
def test_a_plain_terminal_gets_lines(hits, count):
    text = repr(display_hits(hits[:count], pictures=False))
    assert len(text.splitlines()) == max(count, 1)
    assert (hits[0].path in text) == (count > 0)
