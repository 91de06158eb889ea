"""Files and folders whose names are bytes of no encoding."""

from __future__ import annotations

import json
import os
import sys
import time
from urllib.parse import quote

import httpx
import pytest

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.hits.notebook import display_hits
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from tests.library.small_encoder import SmallEncoder
from tests.web.conftest import Served, write_video

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other file systems take text alone")
UNDECODED = os.fsdecode(b"caf\xe9")


@pytest.fixture
def undecoded(tmp_path):
    """A pipeline over one video, and the folder of it and of a broken file, all with such names."""
    folder = tmp_path / f"videos {UNDECODED}"
    folder.mkdir()
    write_video(folder / f"{UNDECODED}.mp4", "libx264", "mp4", 0)
    with Library.create(tmp_path / "library.ctf", encoder=SmallEncoder()) as library:
        library.add(folder)
        (folder / f"broken {UNDECODED}.mp4").write_bytes(b"x")
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity")), folder


@pytest.fixture
def api(undecoded):
    served = Served(undecoded[0])
    with httpx.Client(base_url=served.url, timeout=60) as client:
        yield client
    served.stop()


def test_they_are_found_and_played(api):
    hit = api.get("/api/search", params={"q": "grey", "k": 1}).json()["hits"][0]
    assert hit["title"] == "caf\N{REPLACEMENT CHARACTER}.mp4"
    assert api.get(f"/media/{quote(hit['video_id'])}").status_code == 200
    assert api.get(f"/api/videos/{quote(hit['video_id'])}/moments", params={"q": "grey"}).status_code == 200


def test_progress_and_failures_name_them(api, undecoded):
    parent = undecoded[1].parent
    assert api.post("/api/index", json={"path": str(parent)}).status_code == 202
    until = time.monotonic() + 30
    while (state := api.get("/api/library").json()["indexing"])["running"] and time.monotonic() < until:
        time.sleep(0.05)
    assert "broken caf\N{REPLACEMENT CHARACTER}.mp4" in state["failed"][0][0]


def test_what_is_no_text_in_a_request_is_refused(api):
    headers = {"content-type": "application/json"}
    answer = api.post("/api/index", content=json.dumps({"path": UNDECODED}), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "path"]


def test_a_notebook_shows_them(undecoded):
    hits = undecoded[0].search("grey", top_moments=1)
    assert "caf\N{REPLACEMENT CHARACTER}.mp4" in display_hits(hits).html.encode().decode()
