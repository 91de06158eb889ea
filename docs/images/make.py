"""Takes the pictures of the documentation: `ctf demo`, then `python docs/images/make.py demo/library.ctf`.

Needs chromium and chromedriver beside the dev extra. Names after the library (`search.png`) take only those.
"""

from __future__ import annotations

import os
import pty
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

HERE = Path(__file__).parent
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
)
SENTENCE = "A purple tree tumbles down near a purple car."
COLUMNS = 100
PATIENCE_S = 120
PICTURES_SHOWN = """return [...document.images].every((one) => one.complete || one.hidden ||
  one.getBoundingClientRect().top > innerHeight)"""
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #1b1d22; color: #e8e8e8; display: inline-block; padding: 18px 22px; }}
pre {{ margin: 0; font: 15px/1.45 "DejaVu Sans Mono", monospace; }}
a {{ color: inherit; }}
{stylesheet}
</style><pre><span style="color:#8fb0ff">$</span> {code}</pre>"""


def browser(width: int, height: int) -> webdriver.Chrome:
    """A headless Chromium of this size."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return driver


@contextmanager
def served(library: Path) -> Iterator[str]:
    """The address of `ctf serve` on a free port."""
    command = [sys.executable, "-m", "coarse_to_fine", "serve", "--library", str(library), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield str(server.stdout.readline()).strip() if server.stdout else ""
        finally:
            server.terminate()


def wait(driver: webdriver.Chrome, condition: Callable[[webdriver.Chrome], object]) -> None:
    WebDriverWait(driver, PATIENCE_S, 0.2).until(condition)


def page(library: Path, name: str, height: int, opened: bool = False) -> None:
    """The page of a library with the hits of SENTENCE; `opened`: with the first one in the player."""
    with served(library) as url:
        driver = browser(1200, height)
        try:
            driver.get(url)
            wait(driver, lambda _: "encoder" in driver.find_element(By.ID, "library").text)
            driver.find_element(By.ID, "sentence").send_keys(SENTENCE, Keys.ENTER)
            wait(driver, lambda _: driver.find_elements(By.CSS_SELECTOR, ".card"))
            wait(driver, lambda _: driver.execute_script(PICTURES_SHOWN))
            if opened:
                open_first_hit(driver)
            driver.execute_script("document.getElementById('player').pause(); window.scrollTo(0, 0)")
            time.sleep(0.5)
            driver.save_screenshot(str(HERE / name))
        finally:
            driver.quit()


def open_first_hit(driver: webdriver.Chrome) -> None:
    """Opens the first hit and waits for its picture and curve."""
    card = driver.find_element(By.CSS_SELECTOR, ".card")
    driver.execute_script("arguments[0].click()", card)
    wait(driver, lambda _: driver.execute_script("return document.getElementById('player').readyState") >= 2)
    wait(driver, lambda _: driver.find_elements(By.CSS_SELECTOR, "#curve path"))
    time.sleep(1)


def terminal(name: str, arguments: list[str], folder: Path) -> None:
    """What `ctf` prints in a terminal of COLUMNS columns in the folder that holds the library."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "coarse_to_fine", *arguments]
    parts = []
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.DEVNULL, env=environment, cwd=folder):
        os.close(follower)
        while part := _read(leader):
            parts.append(part)
    os.close(leader)
    printed = b"".join(parts).decode().replace("\r\n", "\n")
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(Text.from_ansi(f"ctf {shlex.join(arguments)}\n{printed}"), soft_wrap=True)
    html = console.export_html(theme=MONOKAI, code_format=TERMINAL)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "terminal.html").write_text(html, encoding="utf-8")
        driver = browser(1100, 500)
        try:
            driver.get((Path(folder) / "terminal.html").as_uri())
            driver.find_element(By.TAG_NAME, "body").screenshot(str(HERE / name))
        finally:
            driver.quit()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux says so where the other end is closed
        return b""


def plot(library: Path, name: str) -> None:
    """The picture that `ctf plot` draws."""
    arguments = ["plot", SENTENCE, "--library", str(library), "--out", str(HERE / name)]
    subprocess.run([sys.executable, "-m", "coarse_to_fine", *arguments], check=True)


def main() -> None:
    library, wanted = Path(sys.argv[1]), sys.argv[2:]
    pictures: dict[str, Callable[[str], None]] = {
        "search.png": lambda name: page(library, name, height=900),
        "moment.png": lambda name: page(library, name, height=1080, opened=True),
        "curve.png": lambda name: plot(library, name),
        "terminal.png": lambda name: terminal(name, ["search", SENTENCE, "-k", "6"], library.parent),
    }
    for name, take in pictures.items():
        if not wanted or name in wanted:
            print(name)
            take(name)


if __name__ == "__main__":
    main()
