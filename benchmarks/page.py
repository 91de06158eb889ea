"""How quick is the page of a large library, in a real browser?

    python benchmarks/page.py --segments 10000
    python benchmarks/page.py --library demo/library.ctf

Makes a library of one-segment videos with random features over a few real files (the page needs files to show pictures
of), serves it with `ctf serve`, and measures in Chromium: first paint, until the library is described, and from the
click on Search until the first card stands there and until its picture is decoded. Prints a table and a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from coarse_to_fine.file_hashes import sha256_of
from coarse_to_fine.library import Library, StoredVideo
from coarse_to_fine.library.changes import SegmentWindow
from coarse_to_fine.library.storing import FinishedVideo, Storer
from coarse_to_fine.video import probe

SECONDS, CLIP_SECONDS, COARSE_FRAMES, FILES = 30, 2, 12, 8
ADDED = "2025-01-01T00:00:00+00:00"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900", "--disable-background-networking")
SENTENCES = ("a red cat jumps", "a dog on a beach", "a boat leaves to the right", "two birds fly", "a car turns left")
PAINT = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
DESCRIBED = "return document.getElementById('library').textContent.includes('encoder') ? performance.now() : 0"
SEARCH = """
const done = arguments[arguments.length - 1], results = document.getElementById('results');
results.replaceChildren();
document.getElementById('sentence').value = arguments[0];
let started = 0;
new MutationObserver(async (_, observer) => {
  const picture = results.querySelector('.card img');
  if (!picture) return;
  observer.disconnect();
  await new Promise(requestAnimationFrame);
  const card = performance.now() - started;
  await picture.decode().catch(() => {});
  done([card, performance.now() - started]);
}).observe(results, {childList: true});
started = performance.now();
document.getElementById('go').click();
"""


def write_video(path, seed):
    """A small H.264 video of SECONDS seconds, 10 pictures a second."""
    generator = np.random.default_rng(seed)
    color, ground = generator.integers(0, 256, (2, 3))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"preset": "veryfast"}
        for number in range(SECONDS * 10):
            picture = np.broadcast_to(ground, (180, 320, 3)).astype(np.uint8).copy()
            left = number % 280
            picture[60:120, left : left + 40] = color
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())


def make_library(folder, segments):
    """A library of `segments` videos that are FILES different files."""
    paths = [folder / f"video-{number}.mp4" for number in range(min(FILES, segments))]
    for number, path in enumerate(paths):
        write_video(path, number)
    about = [(probe(path), sha256_of(path), path.stat()) for path in paths]
    generator = torch.Generator().manual_seed(0)
    clips = SECONDS // CLIP_SECONDS
    with Library.create(folder / "library.ctf") as library, library._writing():
        storer = Storer(library.path, library._catalogue, library._blocks)
        for number in range(segments):
            video, digest, state = about[number % len(about)]
            copy = folder / f"copy-{number:06d}.mp4"
            copy.hardlink_to(video.path)
            own_digest = f"{number:08x}{digest[8:]}"  # as if the contents differed
            stored = StoredVideo(
                "", str(copy), state.st_size, state.st_mtime_ns, own_digest, video.duration_s, video.width,
                video.height, video.average_fps, video.codec, 0, (), (), ADDED, 1, clips,
            )  # fmt: skip
            features = torch.randn(COARSE_FRAMES + clips, library.embed_dim, generator=generator).half()
            windows = (SegmentWindow(0.0, video.duration_s, 0, clips),)
            frames, own = features[None, :COARSE_FRAMES], features[COARSE_FRAMES:]
            storer.put_video(FinishedVideo(stored, windows, frames, own))
        storer.flush()
    return folder / "library.ctf"


def start_browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(flag)
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def measure(url, repeats):
    driver = start_browser()
    driver.set_script_timeout(300)
    try:
        driver.get(url)
        wait = WebDriverWait(driver, 300, 0.02)
        described = wait.until(lambda _: driver.execute_script(DESCRIBED))
        paint = wait.until(lambda _: driver.execute_script(PAINT))
        first = driver.execute_async_script(SEARCH, "a first sentence")
        times = []
        for number in range(repeats):
            sentence = f"{SENTENCES[number % len(SENTENCES)]} {number // len(SENTENCES) or ''}".strip()
            times.append(driver.execute_async_script(SEARCH, sentence))
    finally:
        driver.quit()
    cards, pictures = zip(*times)
    return {
        "first_paint_ms": paint,
        "library_described_ms": described,
        "first_search_to_card_ms": first[0],
        "search_to_card_ms": statistics.median(cards),
        "search_to_card_worst_ms": max(cards),
        "search_to_picture_ms": statistics.median(pictures),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=10_000, help="videos of one segment each")
    parser.add_argument("--library", type=Path, help="measure this library instead")
    parser.add_argument("--repeats", type=int, default=15, help="searches")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        library = given.library or make_library(Path(folder), given.segments)
        with Library.open(library, read_only=True) as opened:
            segments = opened.info().segments
        command = [sys.executable, "-m", "coarse_to_fine", "serve", "--library", str(library), "--port", "0"]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                url = server.stdout.readline().strip()
                ready = time.perf_counter() - started
                figures = {"segments": segments, "server_ready_s": ready, **measure(url, given.repeats)}
            finally:
                server.terminate()
    figures |= {"threads": torch.get_num_threads(), "machine": platform.processor() or platform.machine()}
    for name, value in figures.items():
        print(f"{name:>26}  {value:.1f}" if isinstance(value, float) else f"{name:>26}  {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
