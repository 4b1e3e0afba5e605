"""The report in a real Chromium: light, dark and narrow, by keyboard, without a network and without scripts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from herder.simulate.bounds.no_wait import no_wait
from herder.simulate.policies.catalogue import find_policy
from herder.simulate.report.page import report
from herder.simulate.runs.finished_run import FinishedRun
from herder.simulate.runs.outcome import outcome_of
from tests.simulate.small import cores, ran, trace
from tests.web.conftest import FINDER
from tests.web.test_in_browser import FAINT, OVERFLOW

pytestmark = pytest.mark.browser

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
#: What a screen reader would stumble over: pictures and regions without names, headings that skip a level, ids that repeat.
STUMBLES = """() => {
  const found = [];
  for (const each of document.querySelectorAll("[role=img], [role=region], figure, section")) {
    const by = each.getAttribute("aria-labelledby");
    if (!each.getAttribute("aria-label") && !(by && document.getElementById(by))) found.push(`no name: ${each.outerHTML.slice(0, 60)}`);
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].map((each) => +each.tagName[1]);
  levels.forEach((level, at) => { if (level > (levels[at - 1] ?? 0) + 1) found.push(`level ${level} after ${levels[at - 1]}`); });
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  if (new Set(ids).size !== ids.length) found.push("an id twice");
  for (const each of document.querySelectorAll("table")) if (!each.querySelector("th[scope]")) found.push("a table without heads");
  if (!document.documentElement.lang || !document.title) found.push("no language or title");
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or subprocess.check_output(["bash", str(FINDER)], text=True).strip()
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield found
        found.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies, two templates, waves of jobs."""
    work = trace(*((3600.0 * (n // 20), 900.0 + 60 * n, 1 + n % 3) for n in range(200)))
    runs = []
    for name in ("first_fit", "hail_like"):
        world = ran(work, (cores(4), cores(16, 4)), find_policy(name).make())
        outcome = outcome_of(world, no_wait(world), 0.0)
        found = {"wait_s": outcome.wait_max_s, "waiting": 1.0, "starting": 2.0}
        runs.append(FinishedRun(title=name, outcome=outcome, world=world, bounds=found))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report(runs, "waves-of-jobs-with-a-rather-long-name-2026-01.csv.gz", [("Seed", "0")]))
    return path


def opened(browser: Browser, file: Path, **options: object) -> tuple[Page, list[str]]:
    context = browser.new_context(**{"viewport": WIDE, "offline": True, **options})  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None
    )
    page.goto(file.as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_is_readable(browser: Browser, file: Path, scheme: str, size: dict[str, int]) -> None:
    page, complaints = opened(browser, file, color_scheme=scheme, viewport=size)
    expect(page.locator("figure")).to_have_count(8)
    assert page.evaluate(FAINT) == []
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(STUMBLES) == []
    for curve in page.locator("figure polyline").all()[:4]:
        box = curve.bounding_box()
        assert box is not None
        assert box["width"] > 100
    page.context.close()
    assert complaints == []


def test_each_chart_is_told_and_is_a_table(browser: Browser, file: Path) -> None:
    page, _ = opened(browser, file)
    cost = page.get_by_role("img", name="Cost so far. first_fit: at most")
    expect(cost).to_be_visible()
    figure = page.locator("figure").first
    expect(figure.get_by_role("table")).to_be_hidden()
    figure.locator("summary").press("Enter")
    expect(figure.get_by_role("table")).to_be_visible()
    expect(figure.get_by_role("columnheader", name="no-wait bound so far")).to_be_visible()
    page.context.close()


def test_the_keyboard_reaches_the_switch_and_it_stays(browser: Browser, file: Path) -> None:
    page, _ = opened(browser, file, color_scheme="light")
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the figures")).to_be_focused()
    page.keyboard.press("Tab")
    button = page.locator("#theme")
    expect(button).to_be_focused()
    button.press("Enter")
    button.press("Enter")
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    page.context.close()


def test_it_is_whole_without_scripts(browser: Browser, file: Path) -> None:
    page, complaints = opened(browser, file, java_script_enabled=False)
    expect(page.locator("figure")).to_have_count(8)
    expect(page.locator("#theme")).to_be_hidden()
    page.context.close()
    assert complaints == []
