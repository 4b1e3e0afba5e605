"""What the pages say, and what they never do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import herder.web
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.loops.scale import cycle
from herder.control.reads.port import Reads
from herder.engine.memory.events import record_event
from herder.engine.workers import deadlines
from herder.engine.workers.cluster.nodes import look as observe
from herder.engine.workers.draining import drains
from herder.model.fleet.drain import OnBlocked
from herder.model.ids import PoolName, UserName
from herder.model.permissions import Principal, Role
from herder.model.stored.changes import Changes
from herder.web.live import Live
from herder.web.page_data import look
from herder.web.static_files import static_files
from herder.web.templating import SECTIONS, render_section
from herder.web.trend import Trend, measure
from tests.support.fake_cluster import FakeCluster
from tests.web.world import add_jobs, add_pool, busy, clusters, trouble

WEB = Path(herder.web.__file__).parent
OPERATOR = Principal(UserName("ann"), Role.OPERATOR)
HOSTILE = "<img src=x onerror=alert(1)>\"'&"


async def section(core: Core, name: str, trend: Trend | None = None) -> str:
    return render_section(name, await look(Reads(core), trend or Trend()))


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    "address", ["/", "/login", "/dashboard/stream", "/static/page.css", "/static/nothing"]
)
async def test_every_answer_is_secured(stranger: httpx.AsyncClient, address: str) -> None:
    headers = (await stranger.get(address)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_no_template_or_style_refers_to_another_origin_or_holds_code() -> None:
    own = [*WEB.rglob("templates/**/*.html"), *WEB.glob("static/*.css"), *WEB.glob("static/*.js")]
    assert len(own) > 12
    for path in own:
        text = path.read_text()
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text.replace("// ", "")), path
        assert not re.search(
            r"\son[a-z]+=|\sstyle=|<style|<script(?! src=\"\{\{ static_url)|@import", text
        ), path


def test_htmx_is_not_deferred() -> None:
    """A deferred htmx starts on a timer and may find its extension missing: then the page never goes live."""
    scripts = re.findall(r"<script[^>]*>", (WEB / "templates" / "frame.html").read_text())
    assert len(scripts) == 5
    assert "htmx.min.js" in scripts[0]
    assert not [script for script in scripts if "defer" in script or "async" in script]


async def test_files_are_kept_for_good_under_their_hash_only(stranger: httpx.AsyncClient) -> None:
    digest = static_files()["page.css"].digest
    assert "immutable" in (await stranger.get(f"/static/page.css?v={digest}")).headers["cache-control"]
    assert (await stranger.get("/static/page.css?v=old")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["../routes.py", "%2e%2e/routes.py", "vendor/vendor.toml", "..%2f..%2fapp.py", ""]
)
async def test_nothing_but_the_static_files_is_served(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"/static/{path}")).status_code in (404, 307)


async def test_empty_states_show_what_to_type(core: Core) -> None:
    assert "herder apply -f herder.yaml" in await section(core, "pools")
    assert "herder apply -f herder.yaml" in await section(core, "workers")
    assert "herder job submit -- echo hello" in await section(core, "jobs")
    assert "herder plan" in await section(core, "decisions")
    assert " hidden>" in (await section(core, "faults")).partition("\n")[0]
    await add_pool(core, "burst")
    assert "herder pool scale burst 1" in await section(core, "workers")


async def test_a_busy_world_in_figures(core: Core) -> None:
    await busy(core)
    pools = words(await section(core, "pools"))
    assert "burst local 7 8 2 ready 5 starting 1 draining 0–12 21.6 of 23.4" in pools
    assert "spot frozen" in pools
    numbers = words(await section(core, "numbers"))
    assert numbers.startswith("Workers 11 5 ready, 5 starting, 1 draining")
    jobs = words(await section(core, "jobs"))
    assert "succeeded ended with success 7" in jobs
    assert "failed ended, no attempts left 2" in jobs
    workers = words(await section(core, "workers"))
    assert "burst-2-1 medium draining" in workers
    assert "permanent-1-1 medium ready cordoned" in workers


async def test_a_drain_is_shown_beside_the_state_and_what_blocks_it_is_on_top(core: Core) -> None:
    await busy(core)
    state, changes, pool = core.state, Changes(), core.state.pools[PoolName("permanent")]
    waits = replace(pool.lifetime, on_blocked=OnBlocked.WAIT, drain_grace_s=0.0)
    state.pools[pool.name] = replace(pool, lifetime=waits)
    kept = next(worker for worker in state.workers.values() if worker.spec.pool == pool.name and worker.live)
    drains.keep(state, changes, kept, now_ms() - 5_000, actor="x", message="", timeout_s=None, force=False)
    deadlines.tick(state, changes, now_ms())
    await core.commit(changes)
    workers = words(await section(core, "workers"))
    assert f"{kept.spec.name} medium ready blocked" in workers
    assert "draining draining" not in workers
    assert f"The drain of worker {kept.spec.name} is blocked" in words(await section(core, "faults"))


async def test_decisions_come_with_their_reasons(core: Core) -> None:
    await add_pool(core, "permanent", min_workers=3, templates=["medium"])
    report = await cycle(core, b"")
    said = words(await section(core, "decisions"))
    assert "create 3 × medium in permanent (0 → 3) below minimum" in said
    assert "permanent-1-1, permanent-1-2, permanent-1-3" in said
    await cycle(core, report)
    said = words(await section(core, "decisions"))
    assert re.search(r"^Latest plans Plan 2 .* permanent (no demand|enough capacity) \w+ .*Plan 1", said)


async def test_what_needs_attention_is_on_top(core: Core) -> None:
    await busy(core)
    said = words(await section(core, "faults"))
    assert "Pool spot is frozen" in said
    assert "3 queued jobs have no place" in said
    assert "worker/burst-2-1: the driver local could not start it" in said


async def test_a_full_pool_is_ordinary(core: Core) -> None:
    """Jobs that wait for a pool at its limit are told at the pools, and nobody is called."""
    await add_pool(core, "full", max_workers=2)
    await add_jobs(core, 72, cpu="2", memory="4Gi", pool="full")
    await cycle(core, b"")
    faults, pools = await section(core, "faults"), words(await section(core, "pools"))
    assert " hidden>" in faults.partition("\n")[0], words(faults)
    assert re.search(r"\d+ queued jobs have no place\. Pool full", pools, re.IGNORECASE)
    assert "full at limit" in pools
    status = await Reads(core).status(OPERATOR)
    assert (status.attention, len(status.waiting)) == ([], 1)
    assert [each.queued_jobs for each in status.pools] == [status.jobs["ready"]]


async def test_figures_and_the_ends_of_the_charts_are_of_one_moment(core: Core) -> None:
    await add_pool(core, "burst")
    await add_jobs(core, 5, pool="burst")
    reads, trend = Reads(core), Trend()
    trend.add(measure(reads, now_ms()))
    await add_jobs(core, 4, pool="burst")
    assert "Queued jobs 5 " in words(render_section("numbers", await look(reads, trend)))


async def test_clusters_are_shown_where_there_are_any(core: Core) -> None:
    assert " hidden>" in (await section(core, "clusters")).partition("\n")[0]
    await clusters(core)
    html = await section(core, "clusters")
    assert " hidden>" not in html.partition("\n")[0]
    said = words(html)
    assert "edge v1.36.2 not yet never 0 of 0 0 0" in said
    assert re.search(r"prod v1\.36\.2 seen (\d s ago|just now) 1 of 2 0 12", said), said
    assert "prod: pending 12 pods request 1500m CPU" in said
    assert "prod: not considered 2 pods, for example shop/gated-1. The pods have a scheduling gate." in said
    assert "herder why pod NAMESPACE/NAME" in said
    prod = core.clusters["prod"]
    assert isinstance(prod, FakeCluster)
    prod.pending, prod.not_considered = (), ()
    observe(core.state, Changes(), prod.seen(), 60_000, now_ms())
    assert "No pending pods." in words(await section(core, "clusters"))
    prod.now, prod.as_of_ms = None, now_ms() - 90_000
    observe(core.state, Changes(), prod.seen(), 60_000, now_ms())
    assert "prod v1.36.2 not seen" in words(await section(core, "clusters"))


async def test_old_faults_are_history(core: Core) -> None:
    changes = Changes()
    record_event(core.state, changes, now_ms() - 3_700_000, "worker.failed", "worker/old-1-1", "long ago")
    await core.commit(changes)
    assert "long ago" not in await section(core, "faults")


async def test_hostile_names_are_only_text(core: Core) -> None:
    await busy(core)
    await clusters(core)
    await trouble(core, HOSTILE)
    for worker in core.state.workers.values():
        worker.spec = worker.spec.__class__(**{**_fields(worker.spec), "template": HOSTILE})
        worker.reason_made = worker.reason_made.__class__(kind=worker.reason_made.kind, text=HOSTILE)
    picture = await look(Reads(core), Trend())
    for plan in picture.decisions:
        for act in plan.acts:
            act.workers[:] = act.pool = act.text = HOSTILE
    for pool in picture.pools:
        pool.name = HOSTILE
    for cluster in picture.clusters:
        cluster.name = cluster.version = HOSTILE
        cluster.pending = cluster.not_considered = cluster.blocked_drains = cluster.pools = [HOSTILE]
    for name in SECTIONS:
        html = render_section(name, picture)
        assert "<img" not in html, name
        assert 'onerror=alert(1)>"' not in html, name
    assert "&lt;img src=x" in render_section("faults", picture)
    assert "&lt;img src=x" in render_section("workers", picture)


def _fields(spec: object) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__slots__}  # type: ignore[attr-defined]


async def test_more_workers_than_rows_says_so(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await busy(core)
    monkeypatch.setattr("herder.web.page_data.WORKERS_MAX", 4)
    html = await section(core, "workers")
    assert "The oldest 4 of 11" in words(html)
    assert '<a href="/workers">All workers</a>' in html


async def test_the_trend_is_bounded_and_young_points_come_in_order(core: Core) -> None:
    trend = Trend()
    for second in range(2000):
        trend.add(measure(Reads(core), second * 1000))
    assert len(trend.samples) == 900
    assert [sample.at_ms for sample in trend.since(1_996_500)] == [1_997_000, 1_998_000, 1_999_000]
    assert len(trend.since(0)) == 900


async def test_a_sample_counts_what_is_there(core: Core) -> None:
    await busy(core)
    sample = measure(Reads(core), 5)
    assert (sample.desired, sample.actual, sample.ready) == (10, 11, 5)
    assert sample.queued + sample.running == 72 - 9
    assert sample.price_pico_per_hour == 6 * 240_000_000_000


async def test_the_page_shows_every_section_without_javascript(core: Core, ann: httpx.AsyncClient) -> None:
    await add_pool(core, "burst")
    await add_jobs(core, 3, pool="burst")
    html = (await ann.get("/")).text
    for name in SECTIONS:
        assert html.count(f'<section id="{name}"') == 1
    assert html.count("<h1") == 1
    assert "not live: reload the page to refresh" in html


async def test_rendering_is_shared(core: Core) -> None:
    live = Live(Reads(core), Trend())
    assert await live.sections() is await live.sections()
