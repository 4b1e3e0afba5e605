"""The metrics of a real server, and the catalogue that describes them."""

import subprocess
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from herder.control.kernel.tallies import Tallies
from herder.control.reads.metrics.series import Series
from herder.ledger.totals import Spent
from herder.model.work.job import JobState
from herder.observability.metrics import BOUNDS, FAMILIES, Kind, reference
from tests.api.conftest import Server
from tests.observability.prometheus import lacking

SUFFIXES = {Kind.GAUGE: {""}, Kind.COUNTER: {"_total"}, Kind.HISTOGRAM: {"_bucket", "_count", "_sum"}}
#: Those of the process are made by the client library.
OTHERS = ("process_",)


def text_of(server: Server, token: str = "") -> str:
    with server.client(token or server.running.token) as client:
        return client.get(server.running.url + "/metrics").raise_for_status().text


def samples_of(server: Server) -> dict[tuple[str, ...], float]:
    """By name and values of labels, these by their names and without `le`."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels.keys() - {"le"}))): sample.value
        for family in text_string_to_metric_families(text_of(server))
        for sample in family.samples
    }


def test_every_metric_is_in_the_catalogue_and_the_other_way_round(server: Server, api: httpx.Client) -> None:
    worker = server.worker()
    job = api.post("/jobs", json={"runtime": "noop"}).raise_for_status().json()["first_job"]
    (taken,) = worker.take()
    worker.exchange(use=(1000, 1024))
    creations = samples_of(server)
    worker.end(taken.job)
    api.get(f"/jobs/{job}", params={"wait": "true"})
    exported: dict[str, Any] = {}
    for family in text_string_to_metric_families(text_of(server)):
        for sample in family.samples:
            exported.setdefault(sample.name, set()).update(sample.labels.keys())
        if not family.samples:
            exported.setdefault(family.name + ("_total" if family.type == "counter" else ""), None)
    known = {
        family.name.removesuffix("_total") + suffix: set(family.labels)
        for family in FAMILIES.values()
        for suffix in SUFFIXES[family.kind]
    }
    assert {name for name in exported if not name.startswith(OTHERS)} == known.keys()
    for name, labels in exported.items():
        if labels is not None and not name.startswith(OTHERS):
            assert labels - {"le"} == known[name], name
    assert creations["worker_pool_size", "active"] == 1
    assert creations["worker_cpu_utilization",] == 50
    assert creations["worker_memory_utilization",] == 25
    assert creations["herder_pool_utilization", "std", "cpu"] == 0.5
    assert creations["herder_pool_allocated", "std", "cpu"] == 0.1
    after = samples_of(server)
    assert after["job_queue_length",] == 0
    assert after["herder_jobs_ended_total", "succeeded"] == 1
    assert after["herder_attempt_seconds_count", "succeeded"] == 1
    assert after["herder_job_wait_seconds_count",] == 1
    assert after["herder_worker_start_seconds_count", "std"] == 1
    assert after["herder_scaling_events_total", "up", "std"] == 1
    assert after["herder_pool_cost_usd_total", "std"] > 0
    assert after["herder_events_total", "worker.ready"] == 1
    assert after["job_processing_rate",] > 0
    worker.close()


def test_labels_are_bounded_and_said_to_be() -> None:
    named = {label for family in FAMILIES.values() for label in family.labels}
    assert named == BOUNDS.keys()
    assert all(f"`{name}" in reference() for name in FAMILIES)


def test_no_caller_makes_new_series(server: Server, api: httpx.Client) -> None:
    api.get("/pools")
    before = samples_of(server)
    for path in ("/nothing", "/else/where", "/pools/none"):
        api.get(path)
        api.request("BREW", path)
    new = {key for key in samples_of(server).keys() - before.keys() if "request_seconds" in key[0]}
    assert {key[1] for key in new} <= {"unknown", "pools"}
    assert {key[2] for key in new} <= {"GET", "other"}


def test_users_beyond_the_bound_are_added_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from herder.control.reads.metrics import costs

    monkeypatch.setattr(costs, "ACCOUNTS_MAX", 2)
    accounts = server.running.core.ledger.accounts
    before = dict(accounts)
    accounts.clear()
    try:
        for number in range(5):
            accounts[f"u{number}", "", "std"] = Spent(attempts=1, cost_pico=10**12)  # type: ignore[index]
        found = {
            key[1:]: value for key, value in samples_of(server).items() if key[0] == "herder_attempts_total"
        }
    finally:
        accounts.clear()
        accounts.update(before)
    assert found == {("std", "", "u0"): 1, ("std", "", "u1"): 1, ("(others)",) * 3: 3}


def test_a_name_outside_of_the_catalogue_is_an_error() -> None:
    with pytest.raises(KeyError, match="herder_typo"):
        Series().add("herder_typo", 1)


def test_ended_jobs_are_a_rate_and_no_counter_goes_down() -> None:
    done, ready = int(JobState.SUCCEEDED), int(JobState.READY)
    tallies = Tallies({done: 100, ready: 7}, 0)
    assert tallies.per_minute(30_000) == 0
    for second in range(1, 121):
        tallies._note_counts({done: 100 + second * 2}, second * 1000)
    assert tallies.per_minute(120_000) == pytest.approx(120, abs=5)
    tallies._note_counts({done: 300}, 121_000)  # 40 are tried again
    assert tallies.ended[JobState.SUCCEEDED] == 240
    tallies._note_counts({done: 310}, 122_000)
    assert tallies.ended[JobState.SUCCEEDED] == 250
    assert tallies.per_minute(300_000) == 0
    assert len(tallies._steps) <= 32


@pytest.mark.skipif(bool(lacking()), reason=lacking())
def test_promtool_finds_nothing_wrong_with_the_text(server: Server) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text_of(server), capture_output=True, text=True, check=False
    )
    found = [line for line in checked.stderr.splitlines() if line and "job_processing_rate" not in line]
    assert found == []
