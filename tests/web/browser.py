"""Debian's Chromium for the tests of the page, and what a person does with it."""

from __future__ import annotations

import re
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs chromium and chromedriver"
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=BackForwardCache",
    "--window-size=1200,900",
    "--autoplay-policy=no-user-gesture-required",
)

READ_NUMBER = """
const readNumber = (video, canvas, grid) => {
  const width = canvas.width = video.videoWidth, height = canvas.height = video.videoHeight;
  const at = canvas.getContext('2d', {willReadFrequently: true}), cell = Math.floor(Math.min(width, height) / 2 / grid);
  at.drawImage(video, 0, 0);
  let read = 0;
  for (let row = 1; row < 5; row++) for (let column = 1; column < 5; column++) {
    const x = width / 2 + (column - grid / 2 + .5) * cell, y = height / 2 + (row - grid / 2 + .5) * cell;
    read = 2 * read + (at.getImageData(Math.floor(x), Math.floor(y), 1, 1).data[1] > 128 ? 1 : 0);
  }
  return read;
};
"""
"""JavaScript that reads the number which `tests.video.files` draws into a picture."""


def start_browser(profile):
    """A headless Chromium with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def resize(browser, width=1200, height=900):
    """Another size of the page; headless windows are never narrower than 500 pixels, so the device is emulated."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def open_page(browser, url):
    """The page anew, with an empty log."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(url)
    return browser


def wait(page, condition, seconds=20):
    return WebDriverWait(page, seconds, 0.05).until(condition)


def cards(page):
    return page.find_elements(By.CSS_SELECTOR, ".card")


def search(page, sentence):
    box = page.find_element(By.ID, "sentence")
    box.clear()
    box.send_keys(sentence, Keys.ENTER)
    wait(page, cards)
    wait(page, lambda _: re.search("moments? in", page.find_element(By.ID, "status").text))


def open_title(page, title):
    card = next(card for card in cards(page) if title in card.text)
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", card)
    card.click()
    wait(page, lambda _: page.find_element(By.ID, "viewer").is_displayed())


def player(page, what):
    return page.execute_script(f"return document.getElementById('player').{what}")
