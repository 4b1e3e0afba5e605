"""What the engine remembers of offers: written with the change that taught it, bounded by what is configured, told once."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from herder.control.planning.observation import observe
from herder.decide.forecast.run_times import RunTimes, kinds_of
from herder.engine.workers import offers
from herder.engine.workers import worker as life
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory
from herder.model.ids import PoolName
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, MetaRecord
from herder.model.values.money import PicoUsd
from tests.support.engine_world import POOL, World, job_class


def rows(changes: Changes) -> list[MetaRecord]:
    return [row for row in changes.rows.get(MetaRecord, {}).values() if isinstance(row, MetaRecord)]


def fail(world: World, number: int, cause: FailureCause) -> Changes:
    worker, changes = world.claim(number), Changes()
    life.provisioning(world.state, worker, "hash")
    life.create_failed(world.state, changes, worker, "no room", world.now_ms, cause)
    return changes


def test_a_failure_is_written_and_read_back(world: World) -> None:
    (row,) = rows(fail(world, 1, FailureCause.OUT_OF_CAPACITY))
    (memory,) = world.state.offers.values()
    assert offers.from_meta(row.key, row.value) == memory
    assert memory.cause is FailureCause.OUT_OF_CAPACITY


def test_a_machine_that_is_reported_again_does_not_end_the_rest(world: World) -> None:
    """Its agent called before the driver had answered; then another creation failed; then the driver's answer came."""
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.becomes_ready(world.state, world.changes, worker, world.now_ms)
    fail(world, 2, FailureCause.OUT_OF_CAPACITY)
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    (memory,) = world.state.offers.values()
    assert memory.cause is FailureCause.OUT_OF_CAPACITY


def test_an_agent_that_calls_first_ends_the_rest(world: World) -> None:
    fail(world, 1, FailureCause.OUT_OF_CAPACITY)
    worker = world.claim(2)
    life.provisioning(world.state, worker, "hash")
    life.becomes_ready(world.state, world.changes, worker, world.now_ms)
    (memory,) = world.state.offers.values()
    assert memory.cause is None


def test_a_success_ends_the_rest_but_a_machine_that_does_not_boot_is_none(world: World) -> None:
    fail(world, 1, FailureCause.OUT_OF_CAPACITY)
    worker = world.claim(2)
    life.provisioning(world.state, worker, "hash")
    life.provisioned(world.state, world.changes, worker, "m-2", world.now_ms)
    (memory,) = world.state.offers.values()
    assert memory.failed_in_row == 0
    world.state.offers[memory.key] = memory.failed(
        FailureCause.BOOT_TIMEOUT, world.now_ms, requested_at_ms=world.now_ms
    )
    other = world.claim(3)
    life.provisioning(world.state, other, "hash")
    life.provisioned(world.state, world.changes, other, "m-3", world.now_ms)
    assert world.state.offers[memory.key].failed_in_row == 1
    assert life.activated(world.state, world.changes, other, "token", "nonce", world.now_ms)
    assert world.state.offers[memory.key].failed_in_row == 0


def test_a_wrong_template_is_told_once_for_a_series(world: World) -> None:
    told = []
    for number in (1, 2, 3):
        changes = fail(world, number, FailureCause.INVALID_REQUEST)
        told += [row.kind for row in changes.rows[EventRecord].values() if isinstance(row, EventRecord)]
    assert told.count("offer.invalid") == 1


def test_nothing_is_held_against_a_changed_template_or_kept_of_a_pool_that_goes(world: World) -> None:
    fail(world, 1, FailureCause.INVALID_REQUEST)
    offers.forget_changed(
        world.state, Changes(), POOL.name, replace(POOL, size=replace(POOL.size, max_workers=99))
    )
    assert len(world.state.offers) == 1
    dearer = tuple(
        replace(each, price_pico_per_hour=PicoUsd(2 * each.price_pico_per_hour)) for each in POOL.templates
    )
    offers.forget_changed(world.state, Changes(), POOL.name, replace(POOL, templates=dearer))
    assert len(world.state.offers) == 1, "prices move, and capacity is as short as before"
    changed = tuple(replace(each, labels=(("image", "right"),)) for each in POOL.templates)
    changes = Changes()
    offers.forget_changed(world.state, changes, POOL.name, replace(POOL, templates=changed))
    assert not world.state.offers
    (row,) = rows(changes)
    assert offers.from_meta(row.key, row.value) is None
    fail(world, 2, FailureCause.OTHER)
    offers.forget_changed(world.state, Changes(), POOL.name, None)
    assert not world.state.offers


@given(
    st.lists(st.tuples(st.sampled_from(FailureCause), st.integers(0, 10**9)), max_size=40),
    st.text(max_size=9),
    st.booleans(),
)
def test_a_memory_comes_back_from_its_row(
    ends: list[tuple[FailureCause, int]], zone: str, spot: bool
) -> None:
    key = OfferKey(pool=PoolName("p"), template="t", driver="d", zone=zone, spot=spot)
    memory, now = OfferMemory(key=key), 0
    for cause, later in ends:
        now += later
        memory = memory.failed(cause, now, requested_at_ms=now)
    row = offers.row_of(memory)
    assert offers.from_meta(row.key, row.value) == memory
    assert len(json.dumps(row)) < 600


GRADUAL = replace(
    POOL,
    name=PoolName("gradual"),
    scale_down=replace(POOL.scale_down, fraction=0.5),
    scale_up=replace(POOL.scale_up, target_utilisation=0.5),
)


def test_after_a_crash_offers_removals_and_boot_times_are_known_again() -> None:
    world = World(GRADUAL)
    worker, _ = world.ready_worker(1, GRADUAL)
    reason = Reason(kind=ReasonKind.IDLE, text="idle", evidence=(("idle_s", 1),))
    life.drain(world.state, world.changes, worker, reason, world.now_ms)
    failed = world.claim(2, GRADUAL)
    life.provisioning(world.state, failed, "hash")
    life.create_failed(world.state, world.changes, failed, "full", world.now_ms, FailureCause.OUT_OF_CAPACITY)
    world.commit()
    before = world.state.history[GRADUAL.name]
    offered = dict(world.state.offers)
    assert offered
    world.crash()
    after = world.state.history[GRADUAL.name]
    assert after.removals_ms == before.removals_ms != []
    assert (after.last_grown_at_ms, after.last_shrunk_at_ms) == (
        before.last_grown_at_ms,
        before.last_shrunk_at_ms,
    )
    assert after.boot_s == before.boot_s
    assert world.state.offers == offered


def test_the_planner_sees_what_runs_where_the_pool_asks_for_it_and_when_it_ends() -> None:
    world = World(POOL, GRADUAL)
    for number, pool in ((1, POOL), (2, GRADUAL)):
        world.ready_worker(number, pool)
    world.submit(2, job_class(pool="gradual"))
    world.submit(1, job_class(pool="std"))
    world.commit()
    by_pool = {each.spec.pool: each for each in observe(world.state, world.now_ms + 5000).workers}
    assert by_pool[POOL.name].running is None
    (group,) = by_pool[GRADUAL.name].running or ()
    assert (group.count, group.ends_at_ms) == (2, None)
    assert group.started_sum_ms <= 2 * group.last_start_ms <= 2 * world.now_ms
    times = RunTimes()
    for _ in range(7):
        times.learn(kinds_of(group.job_class), 60_000)
    assert ends(world, times) is None  # seven are too few to trust
    for _ in range(20):
        times.learn(kinds_of(group.job_class), 60_000)
    end = ends(world, times)
    assert end is not None
    assert world.now_ms + 30_000 < end < world.now_ms + 300_000


def ends(world: World, times: RunTimes) -> int | None:
    seen = {each.spec.pool: each for each in observe(world.state, world.now_ms, times.guess).workers}
    (group,) = seen[GRADUAL.name].running or ()
    return group.ends_at_ms


def test_nothing_is_kept_of_the_driver_that_a_template_had_before() -> None:
    """A worker of before fails after the template was moved, and another template keeps the driver."""
    template = POOL.templates[0]
    old = replace(POOL, templates=(template, replace(template, name="other")))
    world = World(old)
    worker, changes = world.claim(1, old), Changes()
    life.provisioning(world.state, worker, "hash")
    moved = replace(old, templates=(replace(template, driver="two"), old.templates[1]))
    offers.forget_changed(world.state, changes, old.name, moved)
    world.state.pools[old.name] = moved
    life.create_failed(world.state, changes, worker, "no room", world.now_ms, FailureCause.OUT_OF_CAPACITY)
    assert world.state.offers == {}
    assert rows(changes) == []
