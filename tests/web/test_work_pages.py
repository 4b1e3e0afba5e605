"""Pages of batches and jobs: what a search finds, what is told of one, and what a visitor may not see."""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
import pytest

from herder.control.access.tokens import Principal, Role
from herder.control.jobs.submitting.submission import create
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.control.loops.scale import cycle
from herder.model.ids import UserName
from herder.model.stored.changes import Changes
from herder.web.batch_graph import DRAWN_MAX, counts_by_depth, depths_of, drawing
from herder.web.job_use import use_of
from herder.web.output_tail import CHARACTERS_MAX, LINES_MAX, tail_of
from herder.web.timeline import bars
from herder.wire.api.work import AttemptView, BatchCreate, JobDetail, JobSubmission, JobView
from tests.web.conftest import sign_in
from tests.web.world import ANN, add_jobs, add_pool, boot, busy, finish, print_output

HOSTILE = "<img src=x onerror=alert(1)>\"'&"


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def numbers(html: str) -> list[int]:
    return [int(each) for each in re.findall(r'<a href="/jobs/(\d+)">', html)]


async def add_batch(core: Core, name: str, jobs: int, who: Principal = ANN, **options: object) -> int:
    if not core.state.pools:
        await add_pool(core, "burst", max_workers=3)
    changes = Changes()
    request = BatchCreate(
        name=name,
        jobs=[JobSubmission(command=["true"], key=f"part-{n}", pool="burst") for n in range(jobs)],
        commit=True,
        **options,  # type: ignore[arg-type]
    )
    batch = create(core, who, request, changes, now_ms())
    await core.commit(changes)
    return int(batch.id)


async def waiting_jobs(core: Core, count: int, **job: Any) -> None:
    await add_pool(core, "burst", max_workers=3)
    await add_jobs(core, count, pool="burst", **job)


async def test_a_job_shows_its_command_and_a_batch_its_groups_and_callback(
    ann: httpx.AsyncClient, core: Core
) -> None:
    await add_pool(core, "burst", max_workers=3)
    changes = Changes()
    jobs = [JobSubmission(command=["echo", f"a {HOSTILE}"], pool="burst", group="align/one")]
    request = BatchCreate(jobs=jobs, commit=True, callback="https://hooks.example/ended")
    batch = create(core, ANN, request, changes, now_ms())
    await core.commit(changes)
    page = await ann.get("/jobs/1")
    assert "<img" not in page.text
    assert "Command echo" in words(page.text)
    assert "Group align/one" in words(page.text)
    page = words((await ann.get(f"/batches/{batch.id}")).text)
    assert "Callback https://hooks.example/ended waiting" in page
    assert "Groups" in page
    assert "align/one running 1 0 0 $0.00" in page


@pytest.mark.parametrize("address", ["/jobs", "/batches", "/jobs/1", "/batches/1"])
async def test_a_stranger_is_led_to_the_sign_in(stranger: httpx.AsyncClient, address: str) -> None:
    answer = await stranger.get(address)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "default-src 'self'" in answer.headers["content-security-policy"]


async def test_empty_lists_say_what_to_type(ann: httpx.AsyncClient) -> None:
    for address, command in (
        ("/jobs", "herder job submit -- echo hello"),
        ("/batches", "herder job submit --array 1-10 -- echo hello"),
    ):
        page = await ann.get(address)
        assert page.status_code == 200
        assert command in page.text
        assert page.text.count('aria-current="page"') == 1


async def test_a_search_speaks_the_language_of_the_command_line(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    failed = await ann.get("/jobs", params={"q": "state:failed"})
    everything = await ann.get("/jobs")
    assert len(numbers(failed.text)) == 2
    assert len(numbers(everything.text)) == 50
    assert set(numbers(failed.text)) <= set(range(1, 73))
    assert "herder job list state:failed" in failed.text
    two = await ann.get("/jobs", params={"q": "state:failed pool:burst"})
    assert "herder job list &#39;state:failed pool:burst&#39;" in two.text


async def test_pages_follow_one_another_without_gap_or_repetition(ann: httpx.AsyncClient, core: Core) -> None:
    await waiting_jobs(core, 120, key="merge")
    seen: list[int] = []
    address = "/jobs?q=name~merge"
    for rows in (50, 50, 20):
        page = await ann.get(address)
        assert len(numbers(page.text)) == rows
        seen += numbers(page.text)
        found = re.search(r'<a href="([^"]+)" rel="next">', page.text)
        address = "" if found is None else found.group(1).replace("&amp;", "&")
    assert address == ""
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 120


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"q": "colour:red"}, "colour"),
        ({"q": "state:done"}, "done"),
        ({"after": "yesterday"}, "A page cannot begin after &#39;yesterday&#39;, which is not a number."),
        ({"after": "9" * 30}, "which is not a number."),
    ],
)
async def test_what_is_wrong_with_a_search_is_told_beside_it(
    ann: httpx.AsyncClient, core: Core, query: dict[str, str], says: str
) -> None:
    await waiting_jobs(core, 1)
    page = await ann.get("/jobs", params=query)
    assert page.status_code == 400
    assert says in page.text
    assert 'role="alert"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert numbers(page.text) == []


async def test_nothing_found_is_not_nothing_there(ann: httpx.AsyncClient, core: Core) -> None:
    await waiting_jobs(core, 1)
    page = await ann.get("/jobs", params={"q": "name~nothing"})
    assert "No job fits this search." in page.text


async def test_a_batch_shows_its_failures_first(ann: httpx.AsyncClient, core: Core) -> None:
    number = await add_batch(core, "night", 5, attributes={"run": HOSTILE}, parallel_max=4)
    report = await cycle(core, b"")
    await boot(core, *core.state.workers)
    await finish(core, 1, "failed", 1)
    await cycle(core, report)
    page = await ann.get(f"/batches/{number}")
    said = words(page.text)
    assert f"Batch {number} night" in said
    assert "the first 1 of 1" in said
    first = page.text.partition('aria-labelledby="counts"')[0]
    assert len(numbers(first)) == 1
    assert f"/jobs?q=batch%3A{number}+state%3Afailed" in page.text
    assert "<img" not in page.text
    linked = await ann.get("/jobs", params={"q": f"batch:{number} state:failed"})
    assert numbers(linked.text) == numbers(first)
    batches = await ann.get("/batches", params={"q": "name~nig"})
    assert f'<a href="/batches/{number}">' in batches.text


async def test_a_job_shows_why_it_waits_and_its_attempts(ann: httpx.AsyncClient, core: Core) -> None:
    await waiting_jobs(core, 1, cpu="900m")
    page = await ann.get("/jobs/1")
    assert page.status_code == 200
    assert "Why" in page.text
    assert "Output" not in page.text
    assert "herder job get 1" in page.text
    report = await cycle(core, b"")
    await boot(core, *core.state.workers)
    await finish(core, 1)
    await cycle(core, report)
    page = await ann.get("/jobs/1")
    assert "burst-" in page.text
    assert "succeeded" in page.text
    assert "The job has printed nothing." in page.text


@pytest.mark.parametrize(
    "address", ["/jobs/77", "/batches/77", "/jobs/none", "/jobs/-1", f"/jobs/{'9' * 40}"]
)
async def test_what_is_not_there_is_told(ann: httpx.AsyncClient, address: str) -> None:
    page = await ann.get(address)
    assert page.status_code == 404
    assert "cannot be shown" in page.text


async def test_what_belongs_to_others_is_not_shown(stranger: httpx.AsyncClient, core: Core) -> None:
    number = await add_batch(core, "hers", 1)
    token, changes = "bob's own token", Changes()
    core.directory.add_user(changes, UserName("bob"), Role.USER, 1, now_ms())
    core.directory.add_token(changes, UserName("bob"), Role.USER, "", now_ms(), token=token)
    await core.commit(changes)
    await sign_in(stranger, token)
    assert (await stranger.get(f"/batches/{number}")).status_code == 404
    assert numbers((await stranger.get("/jobs")).text) == []
    assert "hers" not in (await stranger.get("/batches")).text


def test_a_tail_is_bounded_and_printable() -> None:
    assert tail_of("a\tb\x1b[31m\n") == tail_of("a\tb\x1b[31m")
    assert tail_of("a\x1b[31m").text == "a�[31m"
    assert tail_of("a\nb").whole
    many = tail_of("x\n" * (LINES_MAX + 1))
    assert (len(many.text.splitlines()), many.whole) == (LINES_MAX, False)
    long = tail_of("y" * (CHARACTERS_MAX + 5))
    assert (len(long.text), long.whole) == (CHARACTERS_MAX, False)


async def test_a_batch_shows_which_jobs_wait_for_which(ann: httpx.AsyncClient, core: Core) -> None:
    await add_pool(core, "burst", max_workers=3)
    changes = Changes()
    jobs = [JobSubmission(command=["true"], key=HOSTILE, pool="burst")]
    jobs += [JobSubmission(command=["true"], key=f"b{n}", pool="burst", parents=[HOSTILE]) for n in range(2)]
    small = create(core, ANN, BatchCreate(jobs=jobs, commit=True), changes, now_ms())
    jobs += [JobSubmission(command=["true"], pool="burst", parents=[f"b{n % 2}"]) for n in range(DRAWN_MAX)]
    large = create(core, ANN, BatchCreate(jobs=jobs, commit=True), changes, now_ms())
    await core.commit(changes)
    page = await ann.get(f"/batches/{small.id}")
    assert "Dependencies 2, 2 steps" in words(page.text)
    assert page.text.count('<rect class="graph-job') == 3
    assert page.text.count('<path class="graph-line"') == 2
    assert page.text.count('<rect class="waits"') == 1  # the others are not ready yet
    assert "<img" not in page.text
    page = await ann.get(f"/batches/{large.id}")
    assert "graph-job" not in page.text
    assert re.search(r"1 2 % 1 2 3 % 2 3 95 % 60", words(page.text))
    assert len(page.content) < 150_000


async def test_output_is_followed_and_goes_on_where_it_was_cut(ann: httpx.AsyncClient, core: Core) -> None:
    await waiting_jobs(core, 1, cpu="900m")
    report = await cycle(core, b"")
    await boot(core, *core.state.workers)
    await core.settle()
    await print_output(core, 1, "".join(f"line {n}\n" for n in range(LINES_MAX + 50)))
    page = await ann.get("/jobs/1")
    assert 'data-follow="/jobs/1/output/stream"' in page.text
    assert "line 49\n" not in page.text
    assert "herder job logs 1" in page.text
    await finish(core, 1)
    await cycle(core, report)
    whole = await ann.get("/jobs/1/output/stream")
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert "line 49\\n" not in whole.text
    assert "line 50\\n" in whole.text
    assert whole.text.endswith("event: end\ndata: {}\n\n")
    place = re.findall(r"^id: (\S+)$", whole.text, re.MULTILINE)[-1]
    rest = await ann.get("/jobs/1/output/stream", headers={"Last-Event-ID": place})
    assert rest.text == "event: end\ndata: {}\n\n"
    page = await ann.get("/jobs/1")
    assert "data-follow" not in page.text
    assert (await ann.get("/jobs/2/output/stream")).status_code == 404
    ann.cookies.clear()
    assert (await ann.get("/jobs/1/output/stream")).headers["location"] == "/login"


def _job(number: int) -> JobView:
    return JobView(
        id=number, batch=1, key=None, user="ann", project="", state="ready", pool="p", priority=0, runtime="command",
        cpu_milli=1, memory_mib=1, disk_mib=1, gpu=0, attempts=0, exit_code=None, cause="", message="", created_at="",
        ready_at=None, started_at=None, ended_at=None,
    )  # fmt: skip


def test_a_job_is_drawn_right_of_all_its_parents() -> None:
    ways = [(1, 2), (1, 4), (2, 3), (3, 4), (5, 4)]
    assert depths_of(ways) == {1: 0, 2: 1, 3: 2, 4: 3, 5: 0}
    assert counts_by_depth(7, ways) == [(0, 4), (1, 1), (2, 1), (3, 1)]
    drawn = drawing([_job(number) for number in (1, 2, 3, 4, 5)], ways)
    places = {node.job.id: node.x for node in drawn.nodes}
    assert all(places[parent] < places[child] for parent, child in ways)
    assert len(drawn.lines) == len(ways)
    assert len({(node.x, node.y) for node in drawn.nodes}) == 5
    assert all(node.x + 150 <= drawn.width and node.y + 40 <= drawn.height for node in drawn.nodes)


def test_the_bars_of_a_batch_fill_its_time_and_unknown_starts_are_not_runs() -> None:
    at = "2026-01-01T00:00:{:02d}Z".format
    ended = msgspec.structs.replace(_job(1), ready_at=at(0), started_at=at(10), ended_at=at(40))
    runs = msgspec.structs.replace(_job(2), ready_at=at(0), started_at=at(20))
    waits = msgspec.structs.replace(_job(3), ready_at=at(30))
    found = bars([waits, _job(4), runs, ended], 1_767_225_640_000)
    assert [
        (each.job.id, each.waits_x, each.waits, each.runs_x, each.runs, each.ran_ms) for each in found
    ] == [
        (1, 0, 25, 25, 75, 30_000),
        (2, 0, 50, 50, 50, 20_000),
        (3, 75, 25, 100, 0, None),
    ]
    assert bars([_job(4)], 1_767_225_640_000) == []


def test_the_use_of_an_attempt_is_an_average_and_unknown_while_it_runs() -> None:
    ended = AttemptView(
        attempt=1, worker="w", state="succeeded", cause="", message="", exit_code=0, assigned_at="2026-01-01T00:00:00Z",
        started_at="2026-01-01T00:00:00Z", ended_at="2026-01-01T00:00:10Z", cpu_s=15, memory_peak_mib=10, cost_usd="0",
    )  # fmt: skip
    runs = msgspec.structs.replace(ended, ended_at=None)
    plain = {name: getattr(_job(1), name) for name in JobView.__struct_fields__}
    job = JobDetail(**plain, payload={}, parents=[], result=None, history=[ended, runs])
    assert [each.cpu_milli for each in use_of(job)] == [1500, None]
