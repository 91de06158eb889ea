"""Takes the pictures of the documentation: `ctf demo`, then `python docs/images/make.py demo/library.ctf`.

Needs chromium and chromedriver beside the dev extra.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

HERE = Path(__file__).parent
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")
SENTENCE = "A purple tree tumbles down near a purple car."


def browser(width: int, height: int, dark: bool) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={tempfile.mkdtemp()}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    if dark:
        feature = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    return driver


def picture(
    url: str, name: str, width: int = 1200, height: int = 1000, dark: bool = False, open_hit: bool = True
) -> None:
    driver = browser(width, height, dark)
    try:
        driver.get(url)
        driver.find_element(By.ID, "sentence").send_keys(SENTENCE, Keys.ENTER)
        time.sleep(3)
        if open_hit:
            driver.find_element(By.CSS_SELECTOR, ".card").click()
            time.sleep(3)
        driver.execute_script("document.getElementById('player').pause(); window.scrollTo(0, 0)")
        time.sleep(0.5)
        driver.save_screenshot(str(HERE / name))
    finally:
        driver.quit()


def main() -> None:
    command = [sys.executable, "-m", "coarse_to_fine", "serve", "--library", sys.argv[1], "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = str(server.stdout.readline()).strip() if server.stdout else ""
        try:
            picture(url, "search.png", open_hit=False, height=900)
            picture(url, "moment.png")
            picture(url, "dark.png", dark=True)
            picture(url, "phone.png", width=390, height=844)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
