"""The address and the title say what is shown: after mistakes, with links of another library, going back and forth."""

from __future__ import annotations

import pytest

pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.web.browser import cards, needs_browser, open_page, open_title, search, wait

pytestmark = needs_browser
NAME = "coarse-to-fine"


@pytest.fixture
def page(browser, served):
    return open_page(browser, served.url)


def text(page, name):
    return page.find_element(By.ID, name).text


def fail(page, sentence="the of"):
    box = page.find_element(By.ID, "sentence")
    box.clear()
    box.send_keys(sentence, Keys.ENTER)
    wait(page, lambda _: "such as" in text(page, "status"))


def test_a_failed_search_takes_the_place_of_the_last_one_in_the_address(page):
    search(page, "grey")
    fail(page)
    assert page.current_url.endswith("#q=the+of")
    page.refresh()
    wait(page, lambda _: "such as" in text(page, "status"))
    assert (cards(page), page.find_element(By.ID, "sentence").get_attribute("value")) == ([], "the of")
    page.back()
    wait(page, cards)


def test_an_empty_sentence_leaves_moments_and_address_alone(page):
    search(page, "grey")
    fail(page, "   ")
    assert page.current_url.endswith("#q=grey")
    open_title(page, "red beach")
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#timeline button"))
    assert "q=grey&hit=" in page.current_url


def test_going_back_to_the_start_shows_the_start(page, served):
    search(page, "grey")
    page.back()
    wait(page, lambda _: not cards(page))
    assert page.find_element(By.ID, "sentence").get_attribute("value") == ""
    assert page.title == NAME
    page.forward()
    wait(page, cards)
    assert page.title.startswith("grey")


def test_the_way_to_the_moments_keeps_the_address(page):
    search(page, "grey")
    page.execute_script("document.querySelector('.skip').click()")
    assert page.current_url.endswith("#q=grey")
    assert page.switch_to.active_element == cards(page)[0]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("fine=nope", "moments by “nope” (similarity instead)"),
        ("coarse=no<b>pe&k=many", "videos by “no<b>pe” (mean-pool instead), “many” moments (12 instead)"),
        ("k=1000", "“1000” moments (12 instead)"),
        ("videos=0", "“0” videos looked into (10 instead)"),
        ("k=2&hit=999", "moment “999” (of 2)"),
        ("fine=nope&k=2&hit=last", "moments by “nope” (similarity instead), moment “last” (of 2)"),
    ],
)
def test_what_a_link_asks_for_in_vain_is_said_in_a_line(browser, served, part, said):
    page = open_page(browser, f"{served.url}#q=grey&{part}")
    wait(page, cards)
    assert text(page, "notes") == f"The link asks for what is not here: {said}."
    search(page, "a grey picture")
    assert text(page, "notes") == ""


def test_a_moment_that_is_not_among_those_shown_is_said(page):
    search(page, "grey")
    page.execute_script("location.hash = 'q=grey&hit=999'")
    wait(page, lambda _: "moment “999”" in text(page, "notes"))


def test_a_link_takes_one_step_of_the_history(browser, served):
    page = open_page(browser, served.url)
    page.execute_script("location.hash = 'q=a%20grey%20picture&fine=nope&hit=1'")
    wait(page, lambda _: page.find_element(By.ID, "viewer").is_displayed())
    assert page.current_url.endswith("#q=a+grey+picture&hit=1")
    page.back()
    wait(page, lambda _: not cards(page))
    assert "#" not in page.current_url


def test_the_title_holds_the_sentence_while_moments_are_shown(page):
    assert page.title == NAME
    search(page, "a grey picture")
    assert page.title == f"a grey picture · {NAME}"
    page.find_element(By.ID, "finer-toggle").click()
    page.find_element(By.ID, "finer").send_keys("it gets brighter", Keys.ENTER)
    wait(page, lambda _: page.title == f"a grey picture → it gets brighter · {NAME}")
    fail(page)
    assert page.title == NAME
