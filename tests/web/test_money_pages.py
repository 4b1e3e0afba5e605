"""Pages of costs, budgets, alerts, events and users: what each tells, whom it tells it, and what it refuses."""

from __future__ import annotations

import re

import httpx
import pytest

from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.kernel.settings import CoreSettings
from herder.control.reads.server_settings import setting_views
from herder.model.ids import UserName
from herder.model.permissions import Role
from herder.model.stored.changes import Changes
from herder.model.work.alerts import AlertRules, Channel
from herder.web.amounts import amount, quantities, share
from tests.web.conftest import TOKEN, sign_in
from tests.web.money import add_budget, raise_alert, spend, watch_thresholds
from tests.web.world import add_jobs, add_pool, busy, trouble

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
ADDRESSES = [
    "/costs",
    "/costs/report",
    "/budgets",
    "/budgets/b",
    "/alerts",
    "/alerts/a",
    "/events",
    "/users",
    "/settings",
]


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def as_user(core: Core, client: httpx.AsyncClient, role: Role, name: str = "vic") -> httpx.AsyncClient:
    changes = Changes()
    core.directory.add_user(changes, UserName(name), role, 1, now_ms())
    core.directory.add_token(changes, UserName(name), role, "", now_ms(), token=f"token of {name}")
    await core.commit(changes)
    client.cookies.clear()
    await sign_in(client, f"token of {name}")
    return client


@pytest.fixture
async def spent(core: Core) -> None:
    await spend(core, {"2026-11-03": 12})


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_stranger_is_led_to_the_sign_in(stranger: httpx.AsyncClient, address: str) -> None:
    answer = await stranger.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("/costs", "herder cost show --from 2026-01"),
        ("/budgets", "herder budget set burst --set scope=pool --limit 500"),
        ("/alerts", "herder alert policies"),
    ],
)
async def test_empty_pages_say_what_to_type(ann: httpx.AsyncClient, address: str, command: str) -> None:
    page = await ann.get(address)
    assert page.status_code == 200
    assert f'<code class="command">{command}</code>' in page.text


async def test_costs_tell_the_days_the_parts_and_what_is_not_allocated(
    ann: httpx.AsyncClient, core: Core, spent: None
) -> None:
    page = await ann.get("/costs?from=2026-11-01&to=2026-11-10&by=user")
    told = words(page.text)
    assert "In all $12.00" in told
    assert "A day, on average $1.20" in told
    assert "ann 100 % $12.00" in told
    assert "metered 100 % $12.00" in told
    assert page.text.count('<rect class="plot-1"') == 10
    assert "2026-11-03: $12.00" in told
    assert "herder cost breakdown --by user --from 2026-11-01 --to 2026-11-10" in page.text
    assert "/api/v1/costs?first=2026-11-01&amp;last=2026-11-10&amp;by=user" in page.text
    rows = (await ann.get("/costs?from=2026-11-01&to=2026-11-10&by=user&format=csv")).text
    assert rows == "user,cost_usd,unpriced\r\nann,12,{}\r\n"
    report = await ann.get("/costs/report?from=2026-11-01&to=2026-11-10")
    assert report.headers["content-disposition"] == 'attachment; filename="costs.html"'
    assert "12.00" in report.text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/costs?by=colour", "are not shown by"),
        ("/costs?from=2026-13-01", "is not a day"),
        ("/costs?from=2026-11-02&to=2026-11-01", "is after the last one"),
        ("/alerts?show=old", "is not what this list can show"),
        ("/events?kind=no.such", "is not a kind of event"),
        ("/events?after=x", "which is not a number"),
        ("/costs?by=project,user", "are not shown by"),
        ("/costs?by=,", "Choose one of project, user"),
        ("/budgets?after=-1", "which is not a number"),
    ],
)
async def test_a_wrong_question_is_told_with_the_remedy(
    ann: httpx.AsyncClient, address: str, text: str
) -> None:
    page = await ann.get(address)
    assert page.status_code == 400
    assert text in words(page.text)


@pytest.mark.parametrize("address", ["/budgets/none", "/alerts/none"])
async def test_what_does_not_exist_is_told(ann: httpx.AsyncClient, address: str) -> None:
    page = await ann.get(address)
    assert page.status_code == 404
    assert "cannot be shown" in page.text


async def test_a_budget_shows_its_limit_what_is_left_and_its_thresholds(
    ann: httpx.AsyncClient, core: Core
) -> None:
    watch_thresholds(core)
    await add_budget(core, "labs", scope="user", of="ann", limit="100", period="month")
    listed = words((await ann.get("/budgets")).text)
    assert "labs user ann month 0 % $0.00 $100.00 $0.00 $100.00 0" in listed
    page = await ann.get("/budgets/labs")
    told = words(page.text)
    assert "Limit $100.00" in told
    assert "Left $100.00" in told
    assert "Budget labs has no forecast" in told
    assert "alerts at 50 %, 75 %, 90 %" in told
    assert 'class="line line-limit" d="M0 0.0H1000"' in page.text


async def test_an_alert_tells_its_text_its_state_and_its_actions(ann: httpx.AsyncClient, core: Core) -> None:
    raise_alert(core, "alert-1")
    listed = await ann.get("/alerts")
    assert 'href="/alerts/alert-1"' in listed.text
    told = words((await ann.get("/alerts/alert-1")).text)
    assert "Level critical State active About division/monitoring Used 91 tokens of 100 tokens 91.0 %" in told
    assert "Acknowledged not yet" in told
    assert "defer low priority" in told
    assert "herder alert show alert-1" in told


async def test_events_link_to_their_objects_and_turn_their_pages(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(core, "burst")
    for number in range(60):
        await trouble(core, f"fault {number} {HOSTILE}")
    page = await ann.get("/events?kind=worker.")
    assert "<img" not in page.text
    assert "fault 59" in page.text
    assert "fault 9 " not in page.text
    later = re.search(r'href="(/events\?[^"]*)" rel="next"', page.text)
    assert later is not None
    second = await ann.get(later.group(1).replace("&amp;", "&"))
    assert "fault 9 " in second.text
    assert "fault 59" not in second.text
    of_pool = await ann.get("/events?object=pool/burst")
    assert "pool burst created" in of_pool.text
    assert "fault" not in words(of_pool.text)


async def test_users_tell_who_runs_and_who_waits(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    told = words((await ann.get("/users")).text)
    running = core.state.held
    assert sum(each.jobs for each in running.values()) > 0
    queued = sum(each.count for each in core.state.queues.values())
    assert re.search(rf"ann administrator 1 \d+ {queued} ", told)
    assert "100 % none" in told


async def test_a_viewer_sees_no_more_than_the_api_gives(
    stranger: httpx.AsyncClient, core: Core, spent: None
) -> None:
    vic = await as_user(core, stranger, Role.VIEWER)
    assert "No costs on these days" in (await vic.get("/costs?from=2026-11-01&to=2026-11-10")).text
    users = words((await vic.get("/users")).text)
    assert "vic viewer" in users
    assert "ann administrator" not in users


@pytest.mark.parametrize(
    "address",
    ["/budgets", "/alerts", "/events", "/users", "/jobs", "/batches", "/costs", "/pools", "/workers"],
)
async def test_lists_are_exported_as_filtered(ann: httpx.AsyncClient, core: Core, address: str) -> None:
    await add_budget(core, "labs", scope="user", of="ann", limit="100")
    await add_pool(core, "burst")
    await add_jobs(core, 60, pool="burst")
    raise_alert(core, "alert-1")
    page = await ann.get(address)
    name = address.strip("/")
    assert f'href="{address}?format=csv"' in page.text
    found = await ann.get(f"{address}?format=json")
    assert found.headers["content-disposition"] == f'attachment; filename="{name}.json"'
    items = found.json()["items"]
    assert found.json()["complete"]
    rows = (await ann.get(f"{address}?format=csv")).text.splitlines()
    assert len(rows) >= len(items)
    if address == "/jobs":
        assert len(items) == 60
        assert rows[0].startswith("id,")
        assert (await ann.get("/jobs?q=state:failed&format=json")).json()["items"] == []


async def test_a_file_for_spreadsheets_has_no_formulas(ann: httpx.AsyncClient, core: Core) -> None:
    await trouble(core, '=HYPERLINK("http://x")')
    text = (await ann.get("/events?kind=worker.&format=csv")).text
    assert "'=HYPERLINK" in text
    assert ",=HYPERLINK" not in text


async def test_an_unknown_format_is_refused(ann: httpx.AsyncClient) -> None:
    page = await ann.get("/events?format=xml")
    assert page.status_code == 422
    assert "There is no format &#39;xml&#39;" in page.text


def test_amounts_in_their_units() -> None:
    assert amount("12.5", "USD") == "$12.50"
    assert amount("13650", "tokens") == "13,650 tokens"
    assert amount("80.25", "core-hours") == "80.2 core-hours"
    assert amount(None, "usd") == "–"
    assert share("50", "200") == 25
    assert share("5", None) == 0
    assert share("10002.40", "27") == 37_046
    assert quantities({"cpu_milli": 2500, "memory_mib": 7680, "jobs": 1}) == "2.5 cores, 7.5 GiB, 1 job"
    assert quantities({}) == "–"


async def test_settings_are_for_operators_and_without_secrets(
    stranger: httpx.AsyncClient, core: Core
) -> None:
    ann = stranger
    await sign_in(ann, TOKEN)
    page = await ann.get("/settings")
    told = words(page.text)
    assert "server_url http://127.0.0.1:1 set" in told
    assert "poll_s 20 default" in told
    assert "secret not shown set" in told
    assert core.settings.secret not in page.text
    assert "poll_s" not in (await ann.get("/settings?show=set")).text
    assert core.settings.secret not in (await ann.get("/settings?format=csv")).text
    await as_user(core, ann, Role.USER)
    refused = await ann.get("/settings")
    assert refused.status_code == 403
    assert "Seeing the settings of the server needs the role operator" in words(refused.text)
    assert (await ann.get("/settings?format=json")).status_code == 403


def test_no_setting_shows_what_is_secret() -> None:
    rules = AlertRules(channels=(Channel(name="coo", url="https://hooks.example/T0/s3cret"),))
    settings = CoreSettings(
        server_url="https://ann:s3cret@herder.example", installation="i", secret="s3cret", alerts=rules
    )
    shown = {each.name: each.value for each in setting_views(settings)}
    assert "s3cret" not in str(shown)
    assert shown["alerts.channels"] == "coo"
    assert shown["server_url"] == "https://ann:***@herder.example"
