"""What an encoder does not know is said once, in one line that opens, and leaves the moments their place."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By

from tests.web.browser import needs_browser, open_page, resize, search, wait

pytestmark = needs_browser
WARNING = (
    "the encoder small knows only the drawn world of this package; on camera footage its ranking means little, "
    "index with a CLIP model such as clip-vit-b-32 for that"
)


@pytest.fixture
def page(browser, served, pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.library.encoder, "warning", WARNING)
    resize(browser, 390, 800)
    yield open_page(browser, served.url)
    resize(browser)


def warning(page):
    return page.find_element(By.ID, "warning")


def test_the_warning_is_one_line_at_first_sight_and_whole_when_opened(page):
    wait(page, lambda _: warning(page).is_displayed())
    assert warning(page).text.startswith("small knows only the drawn world")
    assert warning(page).rect["height"] < 30
    assert warning(page).rect["y"] < page.find_element(By.ID, "search").rect["y"]
    warning(page).find_element(By.TAG_NAME, "summary").click()
    assert warning(page).text.replace("\n", "; ") == WARNING.removeprefix("the encoder ")
    assert warning(page).rect["height"] > 60
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390


def test_searches_do_not_repeat_the_warning(page):
    for sentence in ("grey", "a grey picture"):
        search(page, sentence)
        assert page.find_element(By.ID, "notes").text == ""
        assert page.find_element(By.TAG_NAME, "body").text.count("knows only the drawn world") == 1


def test_an_encoder_without_limits_has_no_warning(browser, served):
    page = open_page(browser, served.url)
    wait(page, lambda _: "encoder" in page.find_element(By.ID, "library").text)
    assert not warning(page).is_displayed()
