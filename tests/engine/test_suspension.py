"""A server that was suspended: the time counts for no silence, boot or drain, and what has happened since it is back stays where it is."""

from hypothesis import given
from hypothesis import strategies as st

from herder.engine.clock_step import latest_ms, server_was_away
from herder.engine.memory.worker_repair import ConditionSeen
from herder.model.fleet.repair import Condition
from tests.support.engine_world import T0, World


@given(
    away_ms=st.integers(0, 10_000_000),
    seen_ago_ms=st.integers(0, 20_000_000),
    age_ms=st.integers(0, 20_000_000),
)
def test_no_time_is_moved_beyond_now(away_ms: int, seen_ago_ms: int, age_ms: int) -> None:
    """A restart takes a time in the future for a clock that was set back."""
    world = World()
    worker, _ = world.ready_worker()
    now_ms = T0 + 50_000_000
    seen_ms = worker.last_seen_at_ms = now_ms - seen_ago_ms
    worker.requested_at_ms = worker.ready_at_ms = now_ms - age_ms
    seen = ConditionSeen(since_ms=seen_ms, last_seen_ms=seen_ms, message="it is full")
    worker.health.conditions["agent", Condition.DISK_PRESSURE] = seen
    server_was_away(world.state, away_ms, now_ms)
    assert latest_ms(world.state) <= now_ms
    assert seen_ms <= worker.last_seen_at_ms <= now_ms
    assert worker.last_seen_at_ms == min(seen_ms + away_ms, now_ms)
    assert seen_ms <= seen.since_ms <= now_ms
    assert 0 <= worker.excused_ms <= age_ms
