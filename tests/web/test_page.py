"""The page in a real browser: search, watch, keys, links, files that browsers do not play, errors."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.browser import cards, needs_browser, open_page, open_title, player, resize, search, wait
from tests.web.conftest import Served

pytestmark = needs_browser
FIRST_START = """
return fetch('api/search?' + new URLSearchParams({q: 'a grey picture', k: 12, videos: 10}))
  .then((answer) => answer.json())
  .then((found) => found.hits.find((hit) => hit.title === 'red beach.mp4').start_s)
"""
UNNAMED = """
return [...document.querySelectorAll('button, input, a[href], video, svg')]
  .filter((one) => one.id !== 'player')
  .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))
  .map((one) => one.outerHTML)
"""


@pytest.fixture
def page(browser, served):
    return open_page(browser, served.url)


def test_a_search_shows_cards_and_a_click_plays_the_moment(page):
    search(page, "a grey picture")
    open_title(page, "red beach")
    wait(page, lambda _: player(page, "currentTime") > 0 or player(page, "readyState") >= 2)
    expected = page.execute_script(FIRST_START)
    wait(page, lambda _: abs(player(page, "currentTime") - expected) < 4)
    assert player(page, "videoWidth") == 160
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#timeline button"))
    assert page.find_element(By.CSS_SELECTOR, "#curve path").get_attribute("d").startswith("M")


def test_one_moment_is_no_plural(page):
    page.execute_script("document.getElementById('count').value = 1")
    search(page, "grey")
    assert page.find_element(By.ID, "status").text.startswith("1 moment in ")


def test_odd_names_play(page):
    search(page, "grey")
    open_title(page, "grün 😀 #1 %20.mp4")
    wait(page, lambda _: player(page, "videoWidth") == 160)


@pytest.mark.parametrize("title", ["modern.mkv", "old codec.avi"])
def test_what_the_browser_cannot_play_gets_a_preview(page, title):
    search(page, "grey")
    open_title(page, title)
    wait(page, lambda _: player(page, "videoWidth") == 160)
    assert "preview" in page.find_element(By.ID, "notice").text


@pytest.mark.parametrize("title", ["red beach.mp4", "modern.mkv"])
def test_a_video_that_is_gone_leaves_no_blank_player_but_its_reason(browser, pipeline, title):
    path = next(Path(video.path) for video in pipeline.library.videos() if Path(video.path).name == title)
    fresh = Served(pipeline)
    away = path.rename(path.with_suffix(".away"))
    try:
        page = open_page(browser, fresh.url)
        search(page, "grey")
        open_title(page, title)
        wait(page, lambda _: "not where it was" in page.find_element(By.ID, "notice").text)
        assert not any(page.find_element(By.ID, name).is_displayed() for name in ("player", "still"))
    finally:
        away.rename(path)
        fresh.stop()


def test_keys_choose_open_play_and_close(page):
    search(page, "grey")
    body = page.find_element(By.TAG_NAME, "body")
    page.execute_script("document.activeElement.blur()")
    body.send_keys(Keys.ARROW_RIGHT)
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    chosen = page.switch_to.active_element
    assert chosen == cards(page)[1]
    chosen.send_keys(Keys.ENTER)
    wait(page, lambda _: page.find_element(By.ID, "viewer").is_displayed())
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(page, lambda _: not page.find_element(By.ID, "viewer").is_displayed())
    page.execute_script("document.activeElement.blur()")
    body.send_keys("/")
    assert page.switch_to.active_element.get_attribute("id") == "sentence"


def test_a_link_opens_its_hit(page, served):
    search(page, "grey")
    cards(page)[1].click()
    wait(page, lambda _: "hit=2" in page.current_url)
    link = page.current_url
    title = page.find_element(By.ID, "viewer-title").text
    page.get("about:blank")
    page.get(link)
    wait(page, lambda _: page.find_element(By.ID, "viewer").is_displayed())
    assert page.find_element(By.ID, "viewer-title").text == title
    assert page.find_element(By.ID, "sentence").get_attribute("value") == "grey"


def test_a_link_brings_its_numbers_along(page, served):
    count = page.find_element(By.ID, "count")
    count.clear()
    count.send_keys("3")
    search(page, "grey")
    assert len(cards(page)) == 3
    link = page.current_url
    assert "k=3" in link
    page = open_page(page, link)
    wait(page, lambda _: len(cards(page)) == 3)
    page = open_page(page, f"{served.url}#q=grey&k=many")
    wait(page, lambda _: len(cards(page)) > 3)


def test_the_link_of_a_moment_is_copied_or_shown(page):
    search(page, "grey")
    open_title(page, "red beach")
    page.execute_script("document.getElementById('link').click()")
    wait(page, lambda _: "link to this moment" in page.find_element(By.ID, "status").text)


def test_a_folder_that_is_not_named_or_not_there_is_said(page):
    page.execute_script("document.getElementById('add').open = true")
    page.find_element(By.ID, "index").click()
    wait(page, lambda _: "such as" in page.find_element(By.ID, "status").text)
    page.find_element(By.ID, "folder").send_keys("/no/such")
    page.find_element(By.ID, "index").click()
    wait(page, lambda _: "no file or folder" in page.find_element(By.ID, "status").text)
    place = "on the server"
    assert place in page.find_element(By.CSS_SELECTOR, "label[for=folder]").text
    assert place in page.find_element(By.ID, "status").text


def test_a_mistake_is_said_in_words(page):
    box = page.find_element(By.ID, "sentence")
    box.send_keys("?!", Keys.ENTER)
    wait(page, lambda _: "such as" in page.find_element(By.ID, "status").text)


def test_the_moment_can_be_saved(page, served):
    search(page, "grey")
    open_title(page, "red beach")
    link = page.find_element(By.ID, "save")
    assert link.get_attribute("download").startswith("red beach 0m")
    head = "return fetch(arguments[0]).then((answer) => [answer.status, answer.headers.get('content-type')])"
    assert page.execute_script(head, link.get_attribute("href")) == [200, "video/mp4"]


def test_the_models_in_use_can_be_read(page):
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#coarse option"))
    names = "return ['coarse', 'fine'].map((stage) => document.getElementById(stage).value)"
    assert page.execute_script(names) == ["mean-pool", "similarity"]


def test_the_history_offers_earlier_sentences(page):
    search(page, "a very grey picture")
    known = [option.get_attribute("value") for option in page.find_elements(By.CSS_SELECTOR, "#history option")]
    assert known[0] == "a very grey picture"


@pytest.mark.parametrize("width", [320, 360, 390, 1200])
def test_nothing_sticks_out_sideways(browser, served, width):
    resize(browser, width)
    try:
        page = open_page(browser, served.url)
        for name in ("options", "add"):
            page.execute_script("document.getElementById(arguments[0]).open = true", name)
        page.find_element(By.ID, "finer-toggle").click()
        search(page, "grey")
        open_title(page, "red beach")
        assert page.execute_script("return window.innerWidth") == width
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        resize(browser)


@pytest.mark.parametrize(("width", "is_open"), [(390, False), (1200, True)])
def test_options_leave_a_phone_its_screen(browser, served, width, is_open):
    resize(browser, width)
    try:
        page = open_page(browser, served.url)
        assert page.execute_script("return document.getElementById('options').open") is is_open
    finally:
        resize(browser)


def test_the_page_logs_no_error_and_asks_nobody_else(page, served):
    search(page, "grey")
    open_title(page, "red beach")
    wait(page, lambda _: player(page, "videoWidth") == 160)
    severe = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
    asked = page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert asked
    assert all(name.startswith(served.url) for name in asked)


def test_controls_have_names(page):
    unnamed = page.execute_script(UNNAMED)
    assert unnamed == []


def test_the_curve_can_be_scaled_from_0_to_1(page):
    search(page, "grey")
    open_title(page, "red beach")
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#curve path"))
    title = "return document.querySelector('#curve title').textContent"
    page.execute_script("document.getElementById('scaled').click()")
    wait(page, lambda _: "from 0.00 to 1.00" in page.execute_script(title))
    page.execute_script("document.getElementById('scaled').click()")
    assert "Saliency from" in page.execute_script(title)
