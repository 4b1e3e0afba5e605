"""Every page of the dashboard against the rules of axe-core, in both themes."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.web.conftest import Opener
from tests.web.money import money
from tests.web.test_in_browser import READABLE
from tests.web.world import World

pytestmark = pytest.mark.browser

#: Themes differ in colours only: the other rules need one look.
COLOURS = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}


@pytest.mark.timeout(240)  # all rules on all pages
def test_no_page_violates_a_rule_of_accessibility(visit: Opener, busy_world: World) -> None:
    busy_world.run(money)
    page = visit(busy_world, reduced_motion="reduce").page
    axe, found = Axe(), []
    for address in ("/", *READABLE):
        page.goto(f"{busy_world.url}{address}")
        expect(page.locator("h1")).to_be_attached()
        page.emulate_media(color_scheme="light")
        violations = axe.run(page).response["violations"]
        page.emulate_media(color_scheme="dark")
        violations += axe.run(page, options=COLOURS).response["violations"]
        for each in violations:
            places = [node["target"] for node in each["nodes"]]
            found.append(f"{address}: {each['id']} at {places}")
    assert not found, "\n".join(found)
