"""Actions of the dashboard: what the first step says, what the second does, once, and who may not."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.control.access.tokens import Role
from herder.control.kernel.core import Core
from herder.model.ids import JobId, WorkerName
from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown
from herder.web.actions.notices import NOTICES_MAX, Notices
from herder.web.actions.verbs import FLEET_VERBS
from herder.web.actions.work_verbs import WORK_VERBS
from tests.web.conftest import secret_in
from tests.web.test_fleet_pages import viewer
from tests.web.test_work_pages import HOSTILE, add_batch, words
from tests.web.world import busy, finish

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def form_in(html: str) -> dict[str, str]:
    """The hidden fields of the second step."""
    form = html[html.index('<form class="carry-out"') :]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


async def carry_out(client: httpx.AsyncClient, address: str, **fields: str) -> httpx.Response:
    """Both steps."""
    page = await client.get(address)
    assert page.status_code == 200, page.text
    return await client.post(address.partition("?")[0], data={**form_in(page.text), **fields})


def state_of(core: Core) -> Any:
    state = core.state
    return (
        {name: (each.state, each.cordoned, each.drain, each.expires_at_ms) for name, each in state.workers.items()},
        {name: each.frozen for name, each in state.pools.items()},
        (state.next_event, state.next_job, state.next_plan, dict(state.counts), set(state.held_jobs)),
    )  # fmt: skip


def job_in(core: Core, *, running: bool) -> JobId:
    """Of the busy world."""
    return next(job for job in map(JobId, range(1, 70)) if (job in core.state.live) is running and job > 9)


async def test_the_first_step_says_what_would_happen_and_changes_nothing(
    ann: httpx.AsyncClient, core: Core
) -> None:
    await busy(core)
    await core.settle()
    before = state_of(core)
    waiting, running = job_in(core, running=False), job_in(core, running=True)
    for address, says in (
        ("/pools/burst/scale?workers=2", "2 workers would be created in pool burst: burst-5-1, burst-5-2."),
        ("/pools/burst/freeze", "Pool burst would be frozen"),
        ("/pools/spot/unfreeze", "Pool spot would be unfrozen"),
        ("/workers/burst-2-2/cordon", "would be cordoned"),
        ("/workers/burst-2-2/drain?timeout=5m", "would be drained"),
        ("/workers/burst-2-2/remove", "would drain; it would be removed"),
        ("/workers/burst-2-2/remove?force=1", "would be removed"),
        ("/workers/burst-2-2/extend?by=1h", "burst-2-2"),
        (f"/jobs/{waiting}/hold", f"Job {waiting} would be held"),
        (f"/jobs/{waiting}/cancel", "would be cancelled"),
        (f"/jobs/{running}/cancel", "would"),
    ):
        page = await ann.get(address)
        assert page.status_code == 200, address
        assert says in words(page.text), address
        assert form_in(page.text)["key"].startswith("form-")
    assert state_of(core) == before
    page = await ann.get("/workers/burst-2-2/drain?timeout=5m")
    assert "herder worker drain burst-2-2 --timeout 5m --yes" in page.text
    assert form_in(page.text)["timeout"] == "5m"


async def test_the_second_step_does_it_and_leads_back_with_what_was_done(
    ann: httpx.AsyncClient, core: Core
) -> None:
    await busy(core)
    answer = await carry_out(ann, "/workers/burst-2-2/drain?timeout=5m", message="disk is slow")
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert place.startswith("/workers/burst-2-2?done=form-")
    worker = core.state.workers[WorkerName("burst-2-2")]
    assert worker.drain is not None
    assert worker.drain.by_hand
    page = await ann.get(place)
    assert "Worker burst-2-2 is being drained" in re.findall(r'<p class="notice"[^>]*>([^<]*)', page.text)[0]
    assert "user/ann" in page.text
    assert "Disk is slow." in words(page.text)


async def test_pools_are_scaled_frozen_and_unfrozen(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    had = len(core.state.workers)
    await carry_out(ann, "/pools/burst/scale?workers=2&template=small&ttl=4h")
    assert len(core.state.workers) == had + 2
    assert core.state.workers[WorkerName("burst-5-2")].spec.template == "small"
    await carry_out(ann, "/pools/burst/freeze")
    await carry_out(ann, "/pools/spot/unfreeze")
    assert {name: pool.frozen for name, pool in core.state.pools.items()} == {
        "permanent": False,
        "burst": True,
        "spot": False,
    }
    assert "/pools/burst/unfreeze" in (await ann.get("/pools/burst")).text
    assert "/pools/burst/freeze" not in (await ann.get("/pools/burst")).text


async def test_jobs_are_held_released_cancelled_and_retried(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await core.settle()
    job = job_in(core, running=False)
    await carry_out(ann, f"/jobs/{job}/hold", message="later")
    assert job in core.state.held_jobs
    page = await ann.get(f"/jobs/{job}")
    assert f"/jobs/{job}/release" in page.text
    assert "would be released" in (await ann.get(f"/jobs/{job}/release")).text
    await carry_out(ann, f"/jobs/{job}/release")
    assert job not in core.state.held_jobs
    await carry_out(ann, f"/jobs/{job}/cancel")
    page = await ann.get(f"/jobs/{job}")
    assert f"/jobs/{job}/retry" in page.text
    assert f"/jobs/{job}/cancel" not in page.text
    last = core.state.next_job
    answer = await carry_out(ann, f"/jobs/{job}/retry")
    assert answer.headers["location"].startswith(f"/jobs/{last}?done=")
    assert f"submitted again as job {last}" in (await ann.get(answer.headers["location"])).text


async def test_batches_are_cancelled_and_their_failed_jobs_retried(
    ann: httpx.AsyncClient, core: Core
) -> None:
    number = await add_batch(core, "night", 3)
    page = await ann.get(f"/batches/{number}/cancel")
    assert "3 of 3 jobs of batch" in page.text
    assert f"/batches/{number}/retry" not in (await ann.get(f"/batches/{number}")).text
    answer = await carry_out(ann, f"/batches/{number}/cancel", message=HOSTILE)
    page = await ann.get(answer.headers["location"])
    assert "was cancelled" in page.text
    assert "<img" not in page.text
    gone = await ann.get(f"/batches/{number}/cancel")
    assert gone.status_code == 409
    assert "has already ended" in gone.text
    assert "carry-out" not in gone.text


async def test_a_form_that_is_sent_twice_is_carried_out_once(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    page = await ann.get("/pools/burst/scale?workers=1")
    had = len(core.state.workers)
    for _ in range(3):
        answer = await ann.post("/pools/burst/scale", data=form_in(page.text))
        assert answer.status_code == 303
    assert len(core.state.workers) == had + 1
    other = await ann.post("/pools/burst/scale", data={**form_in(page.text), "workers": "2"})
    assert other.status_code == 409
    assert len(core.state.workers) == had + 1
    again = await ann.get("/jobs/1/retry")
    first = await ann.post("/jobs/1/retry", data=form_in(again.text))
    second = await ann.post("/jobs/1/retry", data=form_in(again.text))
    assert first.headers["location"].split("?")[0] == second.headers["location"].split("?")[0]


async def test_a_form_that_the_store_did_not_answer_is_sent_again_as_it_was(
    ann: httpx.AsyncClient, core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was durable, and its answer was lost: the same form does it once, with the reason that was given."""
    await busy(core)
    page = await ann.get("/workers/burst-2-2/cordon")
    commit = core.commit

    async def lose_the_answer(changes: Changes) -> None:
        await commit(changes)
        raise StoreDown("The store does not answer.")

    monkeypatch.setattr(core, "commit", lose_the_answer)
    reason = 'it "smells" & smokes'
    lost = await ann.post("/workers/burst-2-2/cordon", data={**form_in(page.text), "message": reason})
    assert lost.status_code == 503
    assert "Nothing was changed" not in lost.text
    monkeypatch.undo()
    kept = re.search(r'name="message"[^>]* value="([^"]*)" readonly', lost.text)
    assert kept is not None
    assert unescape(kept[1]) == reason
    again = await ann.post(
        "/workers/burst-2-2/cordon", data={**form_in(lost.text), "message": unescape(kept[1])}
    )
    assert again.status_code == 303
    assert core.state.workers[WorkerName("burst-2-2")].cordoned


async def test_a_form_of_another_browser_changes_nothing(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await core.settle()
    page = await ann.get("/workers/burst-2-2/cordon")
    form, before = form_in(page.text), state_of(core)
    for wrong in ({"secret": ""}, {"secret": "0" * 64}, {"key": "short"}, {"message": "x" * 9000}):
        answer = await ann.post("/workers/burst-2-2/cordon", data={**form, **wrong})
        assert answer.status_code == 403
        assert "nothing was changed" in answer.text
        assert "again." in answer.text
    ann.cookies.clear()
    answer = await ann.post("/workers/burst-2-2/cordon", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert state_of(core) == before


async def test_what_the_command_refuses_is_refused_in_both_steps(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await core.settle()
    running = job_in(core, running=True)
    form = form_in((await ann.get("/workers/burst-2-2/cordon")).text)
    before = state_of(core)
    for address, fields, status, says in (
        ("/workers/burst-2-1/drain", {}, 409, "is being drained and removed"),
        ("/workers/none/drain", {}, 404, "There is no live worker"),
        ("/workers/burst-2-2/drain", {"timeout": "5"}, 422, "has no unit"),
        ("/workers/burst-2-2/remove", {"timeout": "5m", "force": "1"}, 422, "exclude each other"),
        ("/pools/burst/scale", {"workers": "0"}, 422, "workers must be at least 1."),
        ("/pools/burst/scale", {"workers": "many"}, 422, "is not a number."),
        ("/pools/burst/scale", {"workers": "900"}, 409, "burst"),
        ("/pools/burst/scale", {"template": HOSTILE}, 422, "has no template"),
        (f"/jobs/{running}/hold", {}, 409, "is running on"),
        ("/jobs/x/cancel", {}, 404, "is not the number of a job."),
        ("/batches/9/retry", {}, 404, "There is no batch 9."),
    ):
        first = await ann.get(address, params=fields)
        second = await ann.post(address, data={**form, **fields})
        for answer in (first, second):
            assert answer.status_code == status, (address, fields)
            assert says in answer.text, (address, fields)
            assert "<img" not in answer.text
    assert state_of(core) == before


async def test_who_may_not_sees_no_buttons_and_is_refused(stranger: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await core.settle()
    for verb in (*FLEET_VERBS, *WORK_VERBS):
        assert (await stranger.get(f"{verb.address('1')}/{verb.name}")).headers["location"] == "/login"
        assert (await stranger.post(f"{verb.address('1')}/{verb.name}")).headers["location"] == "/login"
    vic = await viewer(stranger, core, Role.USER)
    before = state_of(core)
    for address in ("/pools/burst", "/workers/burst-2-2"):
        assert 'class="actions"' not in (await vic.get(address)).text
    secret = secret_in((await vic.get("/pools")).text)
    form = {"secret": secret, "key": "form-" + "a" * 32}
    for address, status in (
        ("/pools/burst/freeze", 403),
        ("/workers/burst-2-2/drain", 403),
        ("/jobs/30/cancel", 404),
    ):
        assert (await vic.get(address)).status_code == status
        assert (await vic.post(address, data=form)).status_code == status
    assert state_of(core) == before


def test_each_verb_is_one_of_the_command_line() -> None:
    reference = REFERENCE.read_text()
    for verb in (*FLEET_VERBS, *WORK_VERBS):
        assert f"herder {verb.noun} {verb.name}" in reference
        for field in verb.fields:
            assert not field.option or field.option in reference


def test_notices_are_bounded_and_for_their_user_alone() -> None:
    notices = Notices()
    for number in range(NOTICES_MAX + 1):
        notices.keep("ann", str(number), f"text {number}")
    assert (notices.of("ann", "0"), notices.of("ann", "1")) == ("", "text 1")
    assert notices.of("bob", "1") == ""


async def test_a_job_that_ended_meanwhile_is_told(ann: httpx.AsyncClient, core: Core) -> None:
    await busy(core)
    await core.settle()
    page = await ann.get("/jobs/30/cancel")
    await finish(core, 60)
    answer = await ann.post("/jobs/30/cancel", data=form_in(page.text))
    told = await ann.get(answer.headers["location"])
    assert "Job 30 has already ended." in told.text
