"""The sections `sweep` and `retention`: bounds, messages with line and remedy, and findings."""

import pytest

from herder.model.stored.retention import Retention
from herder.settings import SettingsError
from herder.settings.lint import lint
from herder.settings.load import load_texts


def test_they_are_read_and_the_rest_keeps_its_default() -> None:
    text = "sweep: {period: 10s, delay: 2m, removals_percent: 5}\nretention: {jobs: 5s, jobs_max: 1000, store_size: 1Gi, observations_size: 0}\n"
    settings = load_texts([("a.yaml", text)])
    sweep, keep = settings.sweep, settings.retention
    assert (sweep.period_s, sweep.delay_s, sweep.removals_percent, sweep.removals_max) == (10, 120, 5, 3)
    assert (keep.store.jobs_ms, keep.store.jobs_max, keep.store.store_bytes) == (5000, 1000, 2**30)
    assert keep.observations_mib == 0
    assert keep.store.logs_ms == Retention().logs_ms
    assert load_texts([("a.yaml", "pools: {}")]).retention.store == Retention()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "sweep: {period: 1h}",
            "a.yaml:1:17: sweep.period: The value must be 0.1s to 10m. Write a duration from 0.1s to 10m.",
        ),
        ("sweep: {removals_percent: 101}", "sweep.removals_percent: The value must be 0 to 100."),
        ("sweep: {perod: 1s}", "Did you mean 'period'?"),
        ("retention: {jobs: 10ms}", "retention.jobs: The value must be 1s to"),
        ("retention: {events_max: 5}", "retention.events_max: The value must be 1,000 to 1,000,000,000."),
        (
            "retention: {store_size: 1Mi}",
            "retention.store_size: The value must be 64Mi to 1024Ti. Write a size from 64Mi to 1024Ti.",
        ),
        ("retention: {logs: soon}", "retention.logs: "),
    ],
)
def test_what_is_wrong_names_line_key_and_remedy(line: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_texts([("a.yaml", line)])
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("retention: {jobs: 1h, logs: 1h}", "Jobs are kept for less than a day"),
        ("retention: {events: 1h}", "Events are kept for less than a day"),
        ("retention: {logs: 60d}", "Logs are deleted with their job"),
        ("sweep: {period: 1m}", "they take longer than delay"),
    ],
)
def test_what_can_hardly_be_meant_is_found(line: str, says: str) -> None:
    found = lint(load_texts([("a.yaml", line)]))
    assert any(says in str(problem) for problem in found), [str(problem) for problem in found]
    assert not [
        problem for problem in lint(load_texts([("a.yaml", "pools: {}")])) if "retention" in problem.key
    ]
