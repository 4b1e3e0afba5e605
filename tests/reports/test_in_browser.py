"""Reports and invoices in a real Chromium: light, dark, on a phone and on paper, without a network and without scripts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from herder.ledger.lines import COST, Kind
from herder.reports.documents import Document
from herder.reports.focus.rows import Issuer
from herder.reports.invoice import BillTo, Terms, invoice
from herder.reports.period import Subject, View, report
from herder.reports.render import html
from tests.reports.some_lines import ANN, BOB, DAY_MS, NOVEMBER, USD, charge, machine
from tests.simulate.test_report_in_browser import STUMBLES
from tests.web.conftest import FINDER
from tests.web.test_in_browser import FAINT, OVERFLOW

pytestmark = pytest.mark.browser
MISPLACED = """() => {
    const places = row => [...row.children].filter(cell => cell.offsetParent).map(cell => Math.round(cell.getBoundingClientRect().left));
    const differ = (row, head) => String(places(row)) !== String(places(head));
    return [...document.querySelectorAll("table")].flatMap(table =>
        [...table.querySelectorAll("tbody tr, tfoot tr")].filter(row => differ(row, table.tHead.rows[0])).map(row => row.innerText));
}"""
"""Rows whose cells are not below the heads of their columns, or lie above one another."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or subprocess.check_output(["bash", str(FINDER)], text=True).strip()
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield found
        found.close()


def bill() -> Document:
    terms = Terms(month="2026-11", card="external", issuer=Issuer(id="a", name="ACME"), closed=True)
    found = [
        charge("external", "cpu", 36 * 10**10, 7 * USD),
        charge(
            "external", "tokens.input", 10**9, 3_003 * USD // 1000, product="a-model-with-a-long-name-2026-11"
        ),
        charge("external", "gpu", 10, None),
    ]
    return invoice(found, BillTo(division="research", project="alpha"), terms, lambda lines: None)


def costs() -> Document:
    found = [
        machine(Kind.WORKLOAD, 30 * USD, ANN),
        machine(Kind.IDLE, 8 * USD, BOB),
        charge(COST, "tokens.input", 7, None),
    ]
    subject = Subject(first_ms=NOVEMBER, to_ms=NOVEMBER + 30 * DAY_MS, lines=found, method="equal")
    return report(View.FULL, subject)


@pytest.mark.parametrize("made", [bill, costs])
@pytest.mark.parametrize(
    ("width", "scheme", "media"),
    [(1280, "light", "screen"), (1280, "dark", "screen"), (390, "dark", "screen"), (390, "light", "screen"), (800, "dark", "print")],
)  # fmt: skip
def test_a_page_is_whole_and_readable(
    browser: Browser, tmp_path: Path, made: object, width: int, scheme: str, media: str
) -> None:
    file = tmp_path / "page.html"
    file.write_text(html(made()))  # type: ignore[operator]
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.emulate_media(media=media, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(file.as_uri())
    assert page.evaluate(STUMBLES) == []
    assert page.evaluate(OVERFLOW) == 0
    assert page.evaluate(FAINT) == []
    assert page.evaluate(MISPLACED) == []
    assert told == []
    if media == "print":
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    context.close()
