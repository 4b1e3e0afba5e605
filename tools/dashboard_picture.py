"""Takes docs/images/dashboard.png: the dashboard while `herder demo` runs. For maintainers; needs playwright and Chromium.

Run it as `python tools/dashboard_picture.py [--chromium /usr/bin/chromium]` after a change of the dashboard or of sentences that it shows.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "dashboard.png"
#: Of 67 jobs, this many have succeeded: others run or wait, and the charts have a history.
SUCCEEDED_MIN = 25


def take(folder: Path, browser: Browser) -> None:
    while not (folder / "server.json").exists():
        time.sleep(0.1)
    url = json.loads((folder / "server.json").read_text())["url"]
    token = (folder / "admin.token").read_text().strip()
    page = browser.new_page(viewport={"width": 1360, "height": 800}, color_scheme="light")
    page.goto(url)
    page.get_by_label("Your token").fill(token)
    page.keyboard.press("Enter")
    while _succeeded(page) < SUCCEEDED_MIN:
        page.wait_for_timeout(200)
    PICTURE.parent.mkdir(exist_ok=True)
    page.screenshot(path=PICTURE)


def _succeeded(page: Page) -> int:
    found = re.search(r"(\d+) succeeded", page.locator("#numbers").inner_text())
    return int(found[1]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the picture of the dashboard.")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="path of the browser")
    chromium = parser.parse_args().chromium
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        command = [sys.executable, "-m", "herder.app", "demo", "--data-dir", folder]
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        take(Path(folder), browser)
        browser.close()
        demo.wait()


if __name__ == "__main__":
    main()
