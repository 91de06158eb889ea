"""Clips whose ends were coded anew play across the seams in a browser, picture by picture."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("selenium.webdriver")

from coarse_to_fine.video import splice_clip
from tests.video.files import GRID, Recipe, steady_times, write_video
from tests.web.browser import READ_NUMBER, needs_browser

pytestmark = needs_browser
RATE = 30
SEEK_ALL = (
    READ_NUMBER
    + """
const [data, count, rate, grid, done] = arguments;
const video = document.createElement('video'), canvas = document.createElement('canvas');
document.body.replaceChildren(video);
const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
video.muted = true;
video.src = URL.createObjectURL(new Blob([bytes], {type: 'video/mp4'}));
const happens = (name) => new Promise((good, bad) => {
  video.addEventListener(name, good, {once: true});
  video.addEventListener('error', () => bad(video.error.message), {once: true});
});
(async () => {
  await happens('loadeddata');
  const numbers = [];
  for (let frame = 0; frame < count; frame++) {
    const seeked = happens('seeked');
    const shown = new Promise((good) => { video.requestVideoFrameCallback(good); setTimeout(good, 1000); });
    video.currentTime = (frame + .5) / rate;
    await Promise.all([seeked, shown]);
    numbers.push(readNumber(video, canvas, grid));
  }
  video.currentTime = 0;
  const ended = happens('ended');
  await video.play();
  await ended;
  done({numbers, end: video.currentTime, duration: video.duration});
})().catch((error) => done(String(error)));
"""
)
PYRAMID = {"preset": "fast", "bf": "3", "x264-params": "keyint=30:min-keyint=30:scenecut=0"}


@pytest.mark.parametrize("sound", [None, "aac"])
def test_every_picture_is_shown_at_its_time_and_the_clip_plays_to_its_end(browser, tmp_path, sound):
    film = write_video(tmp_path / "film.mp4", steady_times(4), Recipe(options=PYRAMID, sound=sound))
    clip = splice_clip(film, 0.8, 2.4, tmp_path / "clip.mp4")
    assert clip.coded >= 6
    assert clip.copied >= 36
    browser.get("about:blank")
    browser.set_script_timeout(120)
    data = base64.b64encode(clip.path.read_bytes()).decode()
    seen = browser.execute_async_script(SEEK_ALL, data, clip.coded + clip.copied, RATE, GRID)
    assert isinstance(seen, dict), seen
    assert seen["numbers"] == list(range(24, 72))
    assert seen["duration"] == pytest.approx(1.6, abs=0.05)
    assert seen["end"] == pytest.approx(seen["duration"], abs=0.05)
