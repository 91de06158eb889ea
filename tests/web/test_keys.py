"""Keys: everything can be chosen, opened, played and closed without a pointer, and no key is taken from a button."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.browser import cards, needs_browser, open_page, player, search, wait

pytestmark = needs_browser


@pytest.fixture
def page(browser, served):
    """Moments of a playable film, the first one opened by Enter and playing, repeated so that it does not end."""
    page = open_page(browser, served.url)
    search(page, "grey")
    titles = [card.text.split("\n")[0] for card in cards(page)]
    first = cards(page)[titles.index("red beach.mp4")]
    page.execute_script("arguments[0].focus()", first)
    press(page, Keys.ENTER)
    wait(page, lambda _: not player(page, "paused") and player(page, "currentTime") > 0)
    return page


def press(page, key):
    ActionChains(page).send_keys(key).perform()


def opened(page):
    return page.find_elements(By.CSS_SELECTOR, ".card[aria-current=true]")


def test_space_pauses_and_goes_on_after_a_moment_was_opened_by_enter(page):
    wait(page, lambda _: player(page, "currentTime") > 0.3)
    press(page, " ")
    wait(page, lambda _: player(page, "paused"))
    paused_at = player(page, "currentTime")
    press(page, " ")
    wait(page, lambda _: not player(page, "paused"))
    assert player(page, "currentTime") >= paused_at
    assert page.switch_to.active_element == opened(page)[0]


def test_space_and_enter_still_open_another_card(page):
    for key in (" ", Keys.ENTER):
        before = opened(page)[0]
        other = next(card for card in cards(page) if card != before)
        page.execute_script("arguments[0].focus()", other)
        press(page, key)
        wait(page, lambda _, other=other: opened(page) == [other])


def test_space_still_presses_buttons(page):
    page.execute_script("document.getElementById('loop').focus()")
    press(page, " ")
    assert page.find_element(By.ID, "loop").is_selected()
    page.execute_script("document.getElementById('close').focus()")
    press(page, " ")
    wait(page, lambda _: not page.find_element(By.ID, "viewer").is_displayed())
    press(page, " ")
    wait(page, lambda _: page.find_element(By.ID, "viewer").is_displayed())


def test_tab_leaves_an_opened_card(page):
    card = page.switch_to.active_element
    press(page, Keys.TAB)
    assert page.switch_to.active_element != card
