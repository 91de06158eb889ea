"""axe-core finds no serious fault in any state of the page; no error is logged and nobody else is asked."""

from __future__ import annotations

from importlib import resources

import pytest

pytest.importorskip("selenium.webdriver")
axe_core_python = pytest.importorskip("axe_core_python")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from tests.web.browser import needs_browser, open_page, open_title, player, search, wait  # noqa: E402

pytestmark = needs_browser
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']})
  .then((found) => done(found.violations), (error) => done(String(error)));
"""
SPOIL = """
const pale = Object.assign(document.createElement('p'), {textContent: 'pale letters'});
pale.style.color = '#aaa';
pale.style.background = '#bbb';
document.querySelector('main').prepend(document.createElement('button'), pale);
"""
SCHEMES = ("light", pytest.param("dark", marks=pytest.mark.slow))


@pytest.fixture(scope="module")
def axe():
    """axe(page) -> serious and critical violations as readable lines."""
    source = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")

    def check(page):
        page.execute_script(source)
        found = page.execute_async_script(RUN)
        assert isinstance(found, list), found
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    return check


@pytest.fixture(params=SCHEMES)
def page(request, browser, served):
    features = [{"name": "prefers-color-scheme", "value": request.param}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.set_script_timeout(120)
    yield open_page(browser, served.url)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_first_page_has_no_serious_fault(page, axe):
    page.find_element(By.ID, "finer-toggle").click()
    page.find_element(By.CSS_SELECTOR, "#add summary").click()
    assert axe(page) == []


def test_hits_player_and_curve_have_no_serious_fault(page, axe):
    search(page, "grey")
    open_title(page, "modern.mkv")
    wait(page, lambda _: player(page, "videoWidth") == 160)
    wait(page, lambda _: page.find_elements(By.CSS_SELECTOR, "#curve path"))
    assert axe(page) == []


def test_an_error_has_no_serious_fault(page, axe):
    page.find_element(By.ID, "sentence").send_keys("?!", Keys.ENTER)
    wait(page, lambda _: "such as" in page.find_element(By.ID, "status").text)
    assert axe(page) == []


def test_the_warning_and_the_page_where_nothing_is_have_no_serious_fault(page, axe, pipeline, served, monkeypatch):
    monkeypatch.setattr(pipeline.library.encoder, "warning", "the encoder knows little; index with another one")
    open_page(page, served.url)
    wait(page, lambda _: page.find_element(By.ID, "warning").is_displayed())
    assert axe(page) == []
    open_page(page, f"{served.url}/nope")
    assert axe(page) == []


def test_axe_sees_what_is_wrong(page, axe):
    """The check can fail: a button without a name, pale letters."""
    page.execute_script(SPOIL)
    assert {line.split(":")[0] for line in axe(page)} >= {"button-name", "color-contrast"}
