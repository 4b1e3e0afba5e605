"""Pages of pools, workers, plans and offers: what they show, their filters, their bounds, and what a visitor may not see."""

from __future__ import annotations

import re

import httpx
import pytest

from herder.control.access.tokens import Role
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.loops.scale import cycle
from herder.engine.memory.events import record_event
from herder.engine.workers.worker import drain, terminate, terminated
from herder.model.fleet.worker import WorkerState
from herder.model.ids import UserName, WorkerName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.web.decisions import Decision
from herder.web.life_line import STAGES_MAX, life_line
from herder.web.pages.plans import runs
from herder.web.plan_differences import differences
from herder.wire.api.resources import EventView, PlanView, WorkerView
from tests.web.conftest import sign_in
from tests.web.test_work_pages import HOSTILE, words
from tests.web.world import add_jobs, add_pool, boot, busy

PAGES = ("/pools", "/pools/burst", "/workers", "/workers/burst-2-1", "/plans", "/plans/2", "/offers")


def workers_in(html: str) -> list[str]:
    return re.findall(r'<tr id="worker-([^"]+)">', html)


async def viewer(stranger: httpx.AsyncClient, core: Core, role: Role = Role.VIEWER) -> httpx.AsyncClient:
    token, changes = "vic's own token", Changes()
    core.directory.add_user(changes, UserName("vic"), role, 1, now_ms())
    core.directory.add_token(changes, UserName("vic"), role, "", now_ms(), token=token)
    await core.commit(changes)
    await sign_in(stranger, token)
    return stranger


async def test_a_stranger_is_led_to_the_sign_in(stranger: httpx.AsyncClient) -> None:
    for address in PAGES:
        answer = await stranger.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login"), address


async def test_each_page_names_its_place_and_the_same_as_a_command(
    ann: httpx.AsyncClient, core: Core
) -> None:
    await busy(core)
    for address in PAGES:
        page = await ann.get(address)
        assert page.status_code == 200, address
        assert page.text.count('aria-current="page"') == 1
        assert "The same on the command line" in page.text
        assert len(page.content) < 150_000


async def test_empty_lists_say_what_to_type(ann: httpx.AsyncClient) -> None:
    for address, command in (
        ("/pools", "herder apply -f herder.yaml"),
        ("/workers", "herder apply -f herder.yaml"),
        ("/plans", "herder plan"),
        ("/offers", "herder apply -f herder.yaml"),
    ):
        page = await ann.get(address)
        assert page.status_code == 200
        assert f'<code class="command">{command}</code>' in page.text


async def test_what_does_not_exist_is_told(ann: httpx.AsyncClient) -> None:
    for address in ("/pools/none", "/workers/none", "/plans/77", "/plans/x", "/pools/%00"):
        page = await ann.get(address)
        assert page.status_code == 404, address
        assert "cannot be shown" in page.text


async def test_a_pool_says_why_it_has_its_size(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(core, "burst", max_workers=3)
    await add_jobs(core, 1, pool="burst", cpu="900m")
    await cycle(core, b"")
    said = words((await ann.get("/pools/burst")).text)
    assert "1 exists, 1 is desired" in said
    assert "Limits 0 to 3 workers" in said
    assert "Plan 1" in said
    assert "wants 1 worker. It saw 0 that exist, 0 that start, and 1 queued job." in said
    assert "queued jobs 1 queued job does not fit on existing or starting workers" in said
    assert "burst-1-1" in said
    assert "max_workers: 3" in said
    assert "pool.created" in said
    assert "herder why pool burst" in said


async def test_hostile_text_is_escaped_wherever_it_is_shown(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    changes = Changes()
    worker = core.state.workers["burst-2-2"]  # type: ignore[index]
    drain(core.state, changes, worker, Reason(kind=ReasonKind.BY_HAND, text=HOSTILE), now_ms())
    record_event(core.state, changes, now_ms(), "pool.updated", "pool/burst", HOSTILE)
    await core.commit(changes)
    for address in ("/pools/burst", "/workers/burst-2-2", "/workers"):
        page = await ann.get(address)
        assert "<img" not in page.text
    for address in ("/pools/burst", "/workers/burst-2-2"):
        assert "&lt;img" in (await ann.get(address)).text
    for address in ("/workers", "/offers"):
        page = await ann.get(address, params={"pool": HOSTILE, "driver": HOSTILE})
        assert "<img" not in page.text


async def test_workers_are_filtered_as_the_command_line_does(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    page = await ann.get("/workers", params={"pool": "burst", "state": "ready"})
    assert workers_in(page.text) == ["burst-2-2", "burst-2-3"]
    assert "herder worker list --pool burst --state ready" in page.text
    assert "/api/v1/workers?pool=burst&amp;state=ready" in page.text
    assert 'value="ready" selected' in page.text
    nothing = await ann.get("/workers", params={"pool": "none"})
    assert "No worker fits these filters." in nothing.text


async def test_only_faults_are_shown_on_request(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    assert "No worker has a fault." in (await ann.get("/workers?show=faults")).text
    core.state.workers["burst-2-3"].state = WorkerState.UNHEALTHY  # type: ignore[index]
    page = await ann.get("/workers?show=faults")
    assert workers_in(page.text) == ["burst-2-3"]
    assert "herder worker list --faults" in page.text


async def test_ended_workers_are_shown_on_request(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    changes = Changes()
    worker = core.state.workers["burst-2-4"]  # type: ignore[index]
    terminate(
        core.state,
        changes,
        worker,
        Reason(kind=ReasonKind.BY_HAND, text="Not needed."),
        now_ms(),
        actor="user/ann",
    )
    terminated(core.state, changes, worker, now_ms())
    await core.commit(changes)
    assert "burst-2-4" not in workers_in((await ann.get("/workers")).text)
    assert "burst-2-4" in workers_in((await ann.get("/workers?show=all")).text)
    page = await ann.get("/workers/burst-2-4")
    said = words(page.text)
    assert "Why it was removed Not needed." in said
    assert "terminated" in said
    assert "Health" not in said


async def test_what_is_wrong_with_a_filter_is_told(ann: httpx.AsyncClient) -> None:
    for address, says in (
        ("/workers?state=asleep", "&#39;asleep&#39; is not a state of a worker."),
        ("/workers?show=some", "Choose faults or all."),
        ("/workers?show=faults&state=failed", "ask for that state."),
        ("/workers?after=later", "which is not a number."),
        (f"/workers?after={'9' * 5_000}", "which is not a number."),
        ("/offers?driver=moon", "There is no driver &#39;moon&#39;."),
    ):
        page = await ann.get(address)
        assert page.status_code == 400, address
        assert says in page.text
        assert 'role="alert"' in page.text


async def test_pages_of_workers_follow_one_another(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(
        core, "burst", max_workers=200, min_workers=120, new_workers_per_cycle=200, templates=["small"]
    )
    await cycle(core, b"")
    seen: list[str] = []
    address = "/workers?pool=burst"
    while address:
        page = await ann.get(address)
        assert len(workers_in(page.text)) <= 50
        seen += workers_in(page.text)
        found = re.search(r'<a href="([^"]+)" rel="next">', page.text)
        address = "" if found is None else found.group(1).replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == len(core.state.workers) > 100


async def test_the_life_of_a_worker_is_told_with_reasons(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(core, "burst", max_workers=3)
    await add_jobs(core, 1, pool="burst", cpu="900m")
    await cycle(core, b"")
    await boot(core, "burst-1-1")
    await core.settle()
    page = await ann.get("/workers/burst-1-1")
    said = words(page.text)
    assert "Plan 1 : 1 queued job does not fit" in said
    assert page.text.count('<li><span class="life-state">') == 3
    assert re.search(r"requested .* joining .* ready .* burst-1-1 was ready", said)
    assert '<a href="/jobs/1">1</a>' in page.text  # it runs there now


async def test_a_viewer_sees_the_fleet_and_not_the_jobs_of_others(
    stranger: httpx.AsyncClient, core: Core
) -> None:
    await busy(core)
    await core.settle()
    vic = await viewer(stranger, core)
    page = await vic.get("/workers/burst-2-2")
    assert page.status_code == 200
    assert '<a href="/jobs/' not in page.text
    assert "None of them is yours to see." in page.text
    console = await vic.get("/workers/burst-2-2/console")
    assert console.status_code == 403


class WithConsole:
    def console(self, worker: WorkerName) -> str:
        return f"power on {HOSTILE}"


async def test_a_console_is_for_operators(
    ann: httpx.AsyncClient, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    await busy(core)
    monkeypatch.setitem(core.drivers, "local", WithConsole())
    link = "/workers/burst-2-2/console"
    assert link in (await ann.get("/workers/burst-2-2")).text
    page = await ann.get(link)
    assert "power on &lt;img" in page.text
    ann.cookies.clear()
    vic = await viewer(ann, core)
    assert link not in (await vic.get("/workers/burst-2-2")).text
    assert (await vic.get(link)).status_code == 403


async def test_a_plan_has_a_link_for_good_and_says_what_differs(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    listed = await ann.get("/plans")
    assert 'href="/plans/2"' in listed.text
    said = words((await ann.get("/plans/2")).text)
    assert "create 7 × medium in burst" in said
    assert "burst is new in this plan" in said
    assert "permanent actual 0 → 3" in said
    first = words((await ann.get("/plans/1")).text)
    assert "There is no plan before this one." in first
    acting = await ann.get("/plans?actions=1")
    assert "herder plan list</code>" in acting.text
    assert "herder plan list --all</code>" in listed.text


def _decision(number: int, acts: bool) -> Decision:
    return Decision(
        number=number,
        made_at="2026-01-01T00:00:00Z",
        acts=[object()] if acts else [],  # type: ignore[list-item]
        verdicts=[],
        unplaced=[],
        more=0,
    )


def test_plans_without_actions_are_gathered_between_the_others() -> None:
    plans = [_decision(number, number in (3, 7)) for number in range(9, 0, -1)]
    found = [(run.calm, [each.number for each in run.plans]) for run in runs(plans)]
    assert found == [(True, [9, 8]), (False, [7]), (True, [6, 5, 4]), (False, [3]), (True, [2, 1])]


def _plan(number: int, *reports: tuple[str, int, str]) -> PlanView:
    pools = [
        {
            "pool": name,
            "actual": 1,
            "in_flight": 0,
            "queued_jobs": 0,
            "desired": desired,
            "reasons": [{"kind": "no_demand", "text": text, "evidence": []}],
        }
        for name, desired, text in reports
    ]
    return PlanView(number=number, made_at="", empty=True, actions=[], pools=pools, unplaced=[])


def test_a_difference_names_only_what_differs() -> None:
    before = _plan(1, ("same", 1, "a"), ("grows", 1, "a"), ("gone", 1, "a"))
    now = _plan(2, ("same", 1, "a"), ("grows", 2, "b"), ("new", 1, "c"))
    found = {each.pool: each for each in differences(before, now)}
    assert list(found) == ["grows", "new", "gone"]
    assert (found["grows"].figures, found["grows"].came, found["grows"].went) == (
        [("desired", 1, 2)],
        ["b"],
        ["a"],
    )
    assert (found["new"].new, found["new"].figures) == (True, [])
    assert found["gone"].gone


def _worker(**given: object) -> WorkerView:
    plain: dict[str, object] = {
        "name": "w", "pool": "p", "template": "t", "driver": "d", "state": "ready", "cordoned": False, "cpu_milli": 1,
        "memory_mib": 1, "disk_mib": 1, "gpu": 0, "free": {}, "attempts": 0, "attempts_done": 0, "price_per_hour_usd": "0",
        "cost_usd": "0", "requested_at": "2026-01-01T00:00:00.000Z", "ready_at": None, "last_seen_at": None,
        "expires_at": None, "ended_at": None, "why_made": "jobs wait", "why_removed": "", "plan": 1, "handle": "",
    }  # fmt: skip
    return WorkerView(**{**plain, **given})  # type: ignore[arg-type]


def _event(kind: str, second: int, actor: str = "herder") -> EventView:
    at = f"2026-01-01T00:00:{second:02d}.000Z"
    return EventView(
        sequence=second, at=at, kind=f"worker.{kind}", object="worker/w", actor=actor, text=kind, data={}
    )


NOON = 1_767_225_640_000  # 40 s after it was requested


def test_the_stages_of_a_life_fill_its_line() -> None:
    events = [_event("requested", 0), _event("provisioned", 10), _event("ready", 20), _event("trouble", 25)]
    stages = life_line(_worker(), [*events, _event("draining", 30, "user/ann")], NOON)
    assert [(each.state, each.x, each.width) for each in stages] == [
        ("requested", 0, 25),
        ("joining", 25, 25),
        ("ready", 50, 25),
        ("draining", 75, 25),
    ]
    assert (stages[0].why, stages[-1].actor, stages[-1].until) == ("jobs wait", "user/ann", None)


def test_a_drain_that_was_taken_back_leads_to_ready() -> None:
    events = [_event("ready", 5), _event("draining", 10), _event("uncordoned", 20)]
    assert [each.state for each in life_line(_worker(), events, NOON)] == [
        "requested",
        "ready",
        "draining",
        "ready",
    ]
    cordoned = [_event("provisioned", 5), _event("uncordoned", 20)]
    assert [each.state for each in life_line(_worker(), cordoned, NOON)] == ["requested", "joining"]


def test_a_life_whose_events_were_removed_still_has_its_end() -> None:
    ended = _worker(state="terminated", ended_at="2026-01-01T00:00:30.000Z", why_removed="idle")
    assert [(each.state, each.why, each.width) for each in life_line(ended, [], NOON)] == [
        ("requested", "jobs wait", 100),
        ("terminated", "idle", 0),
    ]


def test_a_restless_life_is_bounded() -> None:
    events = [_event("unhealthy" if n % 2 else "recovered", 10 + n // 4) for n in range(100)]
    stages = life_line(_worker(), events, NOON)
    assert len(stages) == STAGES_MAX
    assert stages[0].state == "requested"
