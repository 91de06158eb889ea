"""A served library of small real videos, playable ones and ones that browsers do not play."""

from __future__ import annotations

import threading
from fractions import Fraction

import av
import numpy as np
import pytest
import uvicorn

from coarse_to_fine.coarse_grained import load_coarse
from coarse_to_fine.fine_grained import load_fine
from coarse_to_fine.library import Library
from coarse_to_fine.main_pipeline import Pipeline
from coarse_to_fine.web import create_app
from tests.library.small_encoder import SmallEncoder

NAMES = {
    "red beach.mp4": ("libx264", "mp4"),
    "grün 😀 #1 %20.mp4": ("libx264", "mp4"),
    "old codec.avi": ("mpeg4", "avi"),
    "modern.mkv": ("libx265", "matroska"),
}


def write_video(path, codec, container, seed):
    """Twelve seconds at 10 fps whose shade of grey says the time."""
    generator = np.random.default_rng(seed)
    tint = generator.integers(0, 80, 3)
    with path.open("wb") as file, av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        if codec == "libx265":
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
        for number in range(120):
            picture = np.full((96, 160, 3), number, np.uint8) + tint.astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "videos").mkdir()
    for seed, (name, (codec, container)) in enumerate(NAMES.items()):
        write_video(folder / "videos" / name, codec, container, seed)
    with Library.create(folder / "library.ctf", encoder=SmallEncoder()) as library:
        report = library.add(folder / "videos")
        assert report.failed == ()
        yield Pipeline(library, load_coarse("mean-pool"), load_fine("similarity"))


class Served:
    """The application on a free port of this machine."""

    def __init__(self, pipeline, **options):
        config = uvicorn.Config(create_app(pipeline, **options), port=0, log_level="warning")
        self._server, socket = uvicorn.Server(config), config.bind_socket()
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.05)

    def stop(self):
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="session")
def served(pipeline):
    one = Served(pipeline)
    yield one
    one.stop()


@pytest.fixture
def browser(chromium):
    """Chromium for one test; what it has shown is gone afterwards, else its video would play on beside other tests."""
    yield chromium
    chromium.get("about:blank")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One Chromium for all tests of the page."""
    from tests.web.browser import start_browser

    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()
