"""The dashboard in a real Chromium: every state without a console error, live, after a restart, dark, by keyboard, without scripts.

Waits are `expect`s on locators: functions polled in the page need `eval`, which the page's policy forbids.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Route, expect

from herder.control.jobs.submitting.submission import create
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import hash_token
from herder.control.loops.scale import cycle
from herder.model.stored.changes import Changes
from herder.web.navigation import PLACES
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.web.conftest import NARROW, SOON_MS, WIDE, Opener
from tests.web.money import money
from tests.web.world import (
    ANN,
    World,
    add_jobs,
    add_pool,
    boot,
    finish,
    print_output,
    trouble,
)

pytestmark = pytest.mark.browser

LOOKS = [("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)]

#: Texts whose contrast with what is behind them is below AA (4.5, or 3 when large).
FAINT = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => { for (let at = element; at; at = at.parentElement) {
    const found = parse(getComputedStyle(at).backgroundColor); if (found.length === 3 || found[3] > 0.99) return found.slice(0, 3); }
    return [255, 255, 255]; };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const words = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim()).map((n) => n.textContent.trim()).join(" ");
    if (!words || !element.checkVisibility() || element.closest("svg, script")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(parse(style.color)), light(behind(element))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faint.push(`${words.slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_the_empty_state_is_calm_and_says_what_to_type(
    visit: Opener, empty_world: World, scheme: str, size: dict[str, int]
) -> None:
    visited = visit(empty_world, color_scheme=scheme, viewport=size)
    page = visited.live()
    expect(page.locator("#pools .command")).to_have_text("herder apply -f herder.yaml")
    expect(page.locator("#jobs .command")).to_have_text("herder job submit -- echo hello")
    expect(page.locator("#faults")).to_be_hidden()
    expect(page.locator("#clusters")).to_be_hidden()
    expect(page.locator("#chart-workers canvas")).to_be_visible()
    assert page.evaluate(FAINT) == []
    assert page.evaluate(OVERFLOW) == 0
    assert visited.complaints == []


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_the_busy_state_is_readable(
    visit: Opener, busy_world: World, scheme: str, size: dict[str, int]
) -> None:
    visited = visit(busy_world, color_scheme=scheme, viewport=size)
    page = visited.live()
    expect(page.locator("#workers tbody tr")).to_have_count(11)
    expect(page.locator("#pools tbody tr")).to_have_count(3)
    expect(page.locator("#clusters tbody tr")).to_have_count(2)
    expect(page.locator("#clusters")).to_contain_text("2 pods, for example shop/gated-1")
    expect(page.locator("#faults")).to_contain_text("Pool spot is frozen")
    expect(page.locator("#legend-jobs")).to_contain_text("queued30")
    assert page.evaluate(FAINT) == []
    assert page.evaluate(OVERFLOW) == 0
    assert visited.complaints == []


def test_a_change_arrives_by_itself_and_takes_nothing_away(visit: Opener, world: World) -> None:
    world.run(lambda core: add_pool(core, "burst"))
    visited = visit(world)
    page = visited.live()
    page.locator("#pools .scroll").focus()
    page.evaluate("() => { window.stayed = document.activeElement; }")
    world.run(lambda core: add_pool(core, "other"))
    world.run(lambda core: add_jobs(core, 3, pool="other"))
    expect(page.locator("#pools tbody tr")).to_have_count(2, timeout=SOON_MS)
    expect(page.locator("#jobs")).to_contain_text("3", timeout=SOON_MS)
    assert page.evaluate("() => document.activeElement === window.stayed && window.stayed.isConnected")
    assert visited.complaints == []


def test_it_comes_back_after_a_restart_with_what_happened_meanwhile(visit: Opener, world: World) -> None:
    visited = visit(world)
    page = visited.live()
    page.evaluate("() => { window.loaded = 'once'; }")
    world.stop()
    expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting", timeout=SOON_MS)
    world.start()
    world.run(lambda core: add_pool(core, "burst"))
    visited.live()
    expect(page.locator("#pools tbody th")).to_contain_text("burst", timeout=SOON_MS)
    assert page.evaluate("() => window.loaded") == "once"
    away = (
        "ERR_",
        "Failed to fetch",
    )  # in the browser's words, and in the words of the library that follows events
    assert [each for each in visited.complaints if not any(word in each for word in away)] == []


def test_a_first_connection_that_fails_is_tried_again(visit: Opener, world: World) -> None:
    visited = visit(world)
    page = visited.live()
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        refused.append(route.request.url)
        if len(refused) == 1:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route("**/dashboard/stream", refuse_once)
    page.reload()
    expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
    visited.live()
    assert len(refused) == 2


def test_it_is_never_silently_stale(visit: Opener, world: World) -> None:
    visited = visit(world)
    page = visited.live()
    page.clock.install()
    page.reload()
    visited.live()
    world.stop()
    expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting", timeout=SOON_MS)
    page.clock.fast_forward(30_000)
    expect(page.locator("#connection")).to_have_attribute("data-state", "stale", timeout=SOON_MS)
    expect(page.locator("#connection-text")).to_have_text(re.compile(r"^stale since \d\d:\d\d:\d\d$"))


def test_a_session_that_ends_leads_to_the_sign_in(visit: Opener, world: World) -> None:
    visited = visit(world)
    page = visited.live()

    async def revoke(core: Core) -> None:
        digest = hash_token(world.token)
        core.directory.tokens[digest] = core.directory.tokens[digest]._replace(revoked_at_ms=1)
        await trouble(core, "not for their eyes")

    world.run(revoke)
    expect(page).to_have_url(f"{world.url}/login", timeout=SOON_MS)
    expect(page.locator("body")).not_to_contain_text("not for their eyes")


def test_a_wrong_token_is_told_beside_the_field(browser: Browser, empty_world: World) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(empty_world.url)
        field = page.get_by_label("Your token")
        expect(field).to_be_focused()
        field.fill("guess")
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("Invalid token")
        expect(page.get_by_label("Your token")).to_have_attribute("aria-describedby", "refusal")


def test_it_is_complete_without_javascript(visit: Opener, busy_world: World) -> None:
    page = visit(busy_world, java_script_enabled=False).page
    expect(page.locator("#workers tbody tr")).to_have_count(11)
    expect(page.locator("#decisions")).to_contain_text("create 3 × medium in permanent")
    expect(page.locator(".spark").first).to_be_visible()
    expect(page.locator("#connection")).to_contain_text("not live: reload the page to refresh")
    expect(page.locator("#charts")).to_be_hidden()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Opener, busy_world: World) -> None:
    page = visit(busy_world).live()
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    reached: list[str] = []
    places = [place.words for place in PLACES]
    first = ["Skip to content", "", "Keys: ?", "Theme: auto", "Sign out", *places]
    for _ in first:
        page.keyboard.press("Tab")
        assert page.evaluate(outline) == "solid"
        reached.append(
            page.evaluate("() => document.activeElement.textContent.trim().split('\\n')[0].slice(0, 20)")
        )
    assert reached == first
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Pools"
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('href')") == "/pools/burst"


def test_the_skip_link_leads_to_the_figures(visit: Opener, busy_world: World) -> None:
    page = visit(busy_world).live()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


GROUND = "() => getComputedStyle(document.documentElement).backgroundColor"


def test_the_theme_can_be_chosen_and_stays(visit: Opener, busy_world: World) -> None:
    visited = visit(busy_world, color_scheme="light")
    page = visited.live()
    light = page.evaluate(GROUND)
    button = page.locator("#theme")
    button.press("Enter")
    expect(button).to_have_text("Theme: light")
    button.press("Enter")
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate(GROUND)
    assert dark != light
    page.reload()
    expect(button).to_have_text("Theme: dark")
    assert page.evaluate(GROUND) == dark
    assert visited.complaints == []


#: The lightest grey-ish pixel that the chart drew: axis labels.
BRIGHTEST = """() => { const canvas = document.querySelector("#chart-workers canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let best = 0;
  for (let at = 0; at < pixels.length; at += 4) if (pixels[at + 3] > 250) best = Math.max(best, Math.min(pixels[at], pixels[at + 1], pixels[at + 2]));
  return best; }"""


def test_charts_follow_the_theme(visit: Opener, busy_world: World) -> None:
    page = visit(busy_world, color_scheme="dark").live()
    expect(page.locator("#chart-workers canvas")).to_be_visible()
    assert page.evaluate(BRIGHTEST) > 130
    page.emulate_media(color_scheme="light")
    page.locator("#legend-workers").hover()
    assert page.evaluate(BRIGHTEST) > 200  # the grid is light now, and
    assert (
        page.evaluate("() => getComputedStyle(document.querySelector('.ink-axis')).color")
        == "rgb(90, 102, 98)"
    )


async def _night(core: Core) -> None:
    changes = Changes()
    jobs = [
        JobSubmission(
            command=["true"],
            key="a-name-that-is-long-" * 4 + str(n),
            pool="burst",
            parents=[] if n < 30 else ["a-name-that-is-long-" * 4 + str(n - 30)],
        )
        for n in range(60)
    ]
    create(core, ANN, BatchCreate(name="night-run", jobs=jobs, commit=True), changes, now_ms())
    await core.commit(changes)


#: Pages of the busy world.
READABLE = (
    *("/jobs", "/jobs?q=colour:red", "/batches", "/batches/1", "/jobs/1", "/jobs/999999"),
    *(
        "/pools",
        "/pools/burst",
        "/workers",
        "/workers?state=asleep",
        "/workers/burst-2-1",
        "/plans",
        "/plans/2",
    ),
    *("/offers", "/pools/none", "/pools/burst/scale", "/workers/burst-2-2/remove", "/jobs/60/hold"),
    *("/costs", "/budgets", "/budgets/ann", "/alerts", "/alerts/alert-0f6c1b2a9d3e", "/events"),
    *("/users", "/settings", "/search?q=burs", "/jobs?kiosk=1"),
)


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
def test_every_page_is_readable(
    visit: Opener,
    busy_world: World,
    scheme: str,
    size: dict[str, int],
) -> None:
    busy_world.run(_night)
    if not busy_world.core.budgets.budgets:
        busy_world.run(money)
    visited = visit(busy_world, color_scheme=scheme, viewport=size)
    page = visited.page
    for address in READABLE:
        page.goto(f"{busy_world.url}{address}")
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(FAINT) == [], address
        assert page.evaluate(OVERFLOW) == 0, address
    refused = [
        each for each in visited.complaints if "status of 40" not in each
    ]  # the browser tells each 400 and 404
    assert refused == []


def test_a_job_is_found_by_keyboard_alone(visit: Opener, busy_world: World) -> None:
    page = visit(busy_world).page
    page.goto(f"{busy_world.url}/jobs")
    page.get_by_role("searchbox", name="Search in jobs").focus()
    page.keyboard.type("state:failed")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("searchbox", name="Search in jobs")).to_have_value("state:failed")
    first = page.locator("tbody a").first
    number = first.inner_text()
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Job {number}")
    expect(page.get_by_role("link", name="Jobs", exact=True)).to_have_attribute("aria-current", "page")


def test_output_comes_by_itself_and_as_text(visit: Opener, world: World) -> None:
    async def run_one(core: Core) -> None:
        await add_pool(core, "burst", max_workers=1)
        await add_jobs(core, 1, pool="burst", cpu="900m")
        await cycle(core, b"")
        await boot(core, *core.state.workers)
        await core.settle()

    world.run(run_one)
    visited = visit(world)
    page = visited.page
    page.goto(f"{world.url}/jobs/1")
    expect(page.locator("#output-state")).to_have_text("live")
    expect(page.locator("#output-nothing")).to_be_visible()
    world.run(lambda core: print_output(core, 1, "first <b>line</b>\n"))
    expect(page.locator("#output-text")).to_have_text("first <b>line</b>\n")
    expect(page.locator("#output-nothing")).to_have_count(0)
    world.run(lambda core: print_output(core, 1, "second\x1b[31m\n", after="first <b>line</b>\n"))
    expect(page.locator("#output-text")).to_have_text("first <b>line</b>\nsecond\ufffd[31m\n")
    world.run(lambda core: finish(core, 1))
    expect(page.locator("#output-state")).to_contain_text("the job has ended", timeout=SOON_MS)
    assert visited.complaints == []


def test_a_worker_is_cordoned_by_keyboard_alone(visit: Opener, busy_world: World) -> None:
    visited = visit(busy_world)
    page = visited.page
    page.goto(f"{busy_world.url}/workers/burst-2-3")
    page.get_by_role("link", name="Cordon …").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".preview")).to_contain_text("would be cordoned")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.id") == "message":
            break
    page.keyboard.type("slow disk")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("Worker burst-2-3 is cordoned")
    expect(page.locator(".badge").first).to_have_text("cordoned")
    expect(page.locator(".events")).to_contain_text("slow disk")
    assert visited.complaints == []


def test_motion_can_be_reduced(visit: Opener, empty_world: World) -> None:
    page = visit(empty_world, reduced_motion="reduce").live()
    page.evaluate("() => { document.getElementById('connection').dataset.state = 'reconnecting'; }")
    assert page.evaluate("() => getComputedStyle(document.querySelector('.dot')).animationName") == "none"
