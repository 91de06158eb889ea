"""The page shows the picture of a moment also where the first one does not lie at zero on the file's time line."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium.webdriver")

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from tests.library.small_encoder import SmallEncoder
from tests.video.files import GRID, Recipe, rewrap, steady_times, write_video
from tests.web.browser import READ_NUMBER, needs_browser, open_page, player, wait
from tests.web.conftest import Served

pytestmark = needs_browser
RATE, SECONDS = 30, 8
LATE = {
    # name: (seconds, which streams, whether the file itself is played)
    "in time.mp4": (0.0, None, True),
    "all late.mp4": (20.0, None, False),
    "all late.mkv": (582.336, None, False),
    "all late.webm": (20.0, None, False),
    "pictures late.mp4": (3.0, "video", True),
    "pictures late.mkv": (3.0, "video", True),
    "pictures late.webm": (3.0, "video", True),
    "sound late.mp4": (3.0, "audio", True),
}
IN_EVERY_RUN = ("in time.mp4", "all late.mp4", "pictures late.mp4", "pictures late.webm", "sound late.mp4")
SHOWN = (
    READ_NUMBER
    + "return readNumber(document.getElementById('player'), document.createElement('canvas'), arguments[0]);"
)
CURSOR = "return parseFloat(document.getElementById('cursor')?.style.left) || -1;"
HITS = """
return fetch('api/search?' + new URLSearchParams({q: 'grey', k: 100, videos: 100})).then((answer) => answer.json())
  .then((found) => found.hits)
"""


@pytest.fixture(scope="module")
def late(request, tmp_path_factory):
    """A served library of the films of `LATE` that are asked for."""
    asked = {
        item.callspec.params["name"] for item in request.session.items if "late" in getattr(item, "fixturenames", ())
    }
    folder = tmp_path_factory.mktemp("late")
    times, videos = steady_times(SECONDS, RATE), folder / "videos"
    videos.mkdir()
    for seed, (name, (shift_s, only, _)) in enumerate(LATE.items()):
        if name not in asked:
            continue
        webm = name.endswith("webm")
        recipe = Recipe(codec="libvpx", gop=30, sound="libopus") if webm else Recipe(gop=30, sound="aac")
        recipe = Recipe(**{**recipe.__dict__, "options": {"crf": str(18 + seed)}})  # no two files alike
        source = write_video(folder / f"source{'.webm' if webm else '.mp4'}", times, recipe)
        rewrap(source, videos / name, shift_s, only)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as library:
        report = library.add(videos)
        assert (len(report.added), report.failed) == (len(asked), ())
        served = Served(Pipeline(library, load_coarse("mean-pool"), load_fine("similarity")))
        yield served
        served.stop()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in IN_EVERY_RUN else pytest.mark.slow) for name in LATE]
)
def test_a_moment_shows_its_own_picture(browser, late, name):
    page = open_page(browser, late.url)
    hits = page.execute_script(HITS)
    place, hit = max(
        ((place, hit) for place, hit in enumerate(hits, start=1) if hit["title"] == name),
        key=lambda numbered: numbered[1]["start_s"],
    )
    assert hit["playable"] is LATE[name][2]
    page = open_page(browser, f"{late.url}#q=grey&k=100&videos=100&hit={place}")
    wait(page, lambda _: player(page, "readyState") >= 2 and not player(page, "seeking"))
    expected = hit["start_s"] * RATE
    wait(page, lambda _: abs(page.execute_script(SHOWN, GRID) - expected) <= 1)
    wait(page, lambda _: abs(page.execute_script(CURSOR) - 100 * hit["start_s"] / SECONDS) <= 1)
