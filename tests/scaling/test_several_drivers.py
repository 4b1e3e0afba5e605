"""One pool whose templates have drivers of their own: the cheapest first, the next at a shortage, and what one driver refuses stops no other."""

from collections import Counter
from dataclasses import replace

import pytest

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory, offers_of
from herder.model.fleet.pool import PoolSpec, SpotUse, Zone
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed, ObservedWorker
from herder.model.planning.plan import DrainWorker, Plan, ReasonKind
from herder.model.values.money import PicoUsd
from tests.planning.world import NOW, cores, creations, idle, key_of, observed, pool, queued, template, worker

ZONES = (Zone(name="a"), Zone(name="b"))
#: Two templates of one cloud, one of another, which is dearer.
SMALL, LARGE = template("small", 16, 480, zones=ZONES), template("large", 32, 960, zones=ZONES)
OTHER = template("other", 16, 600, driver="other", driver_options=(("type", "m5"),), zones=ZONES)
STD = pool("std", SMALL, LARGE, OTHER, driver="one", driver_options=(("image", "debian"),), max_workers=20)


def failed(name: str, zone: str, cause: FailureCause, *, of: PoolSpec = STD) -> OfferMemory:
    sold = next(
        offer
        for each in of.templates
        for offer in offers_of(each)
        if (offer.name, offer.zone) == (name, zone)
    )
    return OfferMemory(key=key_of(of, sold)).failed(cause, NOW, requested_at_ms=NOW)


def seen(
    *memories: OfferMemory, of: PoolSpec = STD, count: int = 1, workers: list[ObservedWorker] | None = None
) -> Observed:
    return replace(observed([of], workers or [], [queued(1, count, cores(16))]), offers=memories)


def plan_of(world: Observed, later_s: int = 1) -> Plan:
    plan = decide(world, NOW + later_s * 1000)
    assert check_plan(world, plan) == ()
    return plan


def made(plan: Plan) -> list[tuple[str, str, str]]:
    return sorted((each.spec.driver, each.spec.template, each.spec.zone) for each in creations(plan))


def test_a_worker_has_the_driver_and_the_options_of_its_template() -> None:
    [first] = creations(plan_of(seen()))
    assert (first.spec.driver, first.spec.template) == ("one", "small")
    assert first.spec.driver_options == (("image", "debian"),)
    short = [failed(name, zone, FailureCause.OUT_OF_CAPACITY) for name in ("small", "large") for zone in "ab"]
    [next_one] = creations(plan_of(seen(*short)))
    assert (next_one.spec.driver, next_one.spec.driver_options) == ("other", (("type", "m5"),))


def test_options_of_a_template_are_added_to_those_of_the_driver_of_its_pool() -> None:
    own = replace(SMALL, driver_options=(("machine", "n2"), ("image", "own")))
    [first] = creations(plan_of(seen(of=replace(STD, templates=(own,)))))
    assert first.spec.driver == "one"
    assert dict(first.spec.driver_options) == {"image": "own", "machine": "n2"}


def test_refused_credentials_stop_all_of_their_driver_and_nothing_else() -> None:
    plan = plan_of(seen(failed("small", "a", FailureCause.UNAUTHORISED), count=2))
    assert made(plan) == [("other", "other", "a"), ("other", "other", "b")]
    both = seen(
        failed("small", "a", FailureCause.UNAUTHORISED), failed("other", "b", FailureCause.UNAUTHORISED)
    )
    stopped = plan_of(both)
    assert made(stopped) == []
    assert "credentials refused" in stopped.unplaced[0].reason.text


def test_a_quota_holds_in_its_zone_for_the_templates_of_that_driver() -> None:
    plan = plan_of(seen(failed("large", "a", FailureCause.QUOTA_EXCEEDED), count=3))
    assert {(driver, zone) for driver, _, zone in made(plan)} == {("one", "b")}
    all_of_one = [failed("small", zone, FailureCause.QUOTA_EXCEEDED) for zone in "ab"]
    assert made(plan_of(seen(*all_of_one, count=2))) == [("other", "other", "a"), ("other", "other", "b")]


def test_after_the_rest_each_offer_of_the_driver_is_tried_with_one_worker() -> None:
    memory = replace(failed("small", "a", FailureCause.UNAUTHORISED), failures=0.0)
    again = made(plan_of(seen(memory, count=9), later_s=61))
    assert Counter(each for each in again if each[0] == "one") == dict.fromkeys(
        [("one", name, zone) for name in ("large", "small") for zone in "ab"], 1
    )
    trial = worker(1, STD, made=offers_of(SMALL)[0], state=WorkerState.PROVISIONING, at=NOW + 60_000)
    meanwhile = made(plan_of(seen(memory, count=4, workers=[trial]), later_s=62))
    assert {driver for driver, _, _ in meanwhile} == {"other"}


def test_workers_whose_template_names_another_driver_now_have_drifted() -> None:
    there = idle(1, STD, made=offers_of(OTHER)[0])
    moved = replace(
        STD, templates=(SMALL, LARGE, replace(OTHER, driver="third")), size=replace(STD.size, min_workers=1)
    )
    plan = plan_of(replace(observed([moved], [there], []), offers=()))
    texts = [each.reason.text for each in plan.actions]
    assert any("its driver is other, template other's is third" in text for text in texts), texts
    same = plan_of(observed([replace(STD, size=replace(STD.size, min_workers=1))], [there], []))
    assert same.empty


@pytest.mark.parametrize(("driver", "drained"), [("other", True), ("one", False)])
def test_room_for_a_minimum_is_made_by_spot_of_the_driver_that_has_none(driver: str, drained: bool) -> None:
    """The minimum of `first` is bought at `other` alone, so spot of `one` makes no room for it."""
    first = pool("first", OTHER, driver="one", min_workers=1, preempts_spot=True)
    spot = pool(
        "spot", template("cheap", 16, 400, driver=driver, zones=ZONES, spot=SpotUse.YES), driver="one"
    )
    busy = worker(1, spot, made=offers_of(spot.templates[0])[0], free=cores(0), live_attempts=1)
    short = tuple(failed("other", zone, FailureCause.OUT_OF_CAPACITY, of=first) for zone in "ab")
    plan = plan_of(replace(observed([first, spot], [busy], []), offers=short))
    kinds = {each.reason.kind for each in plan.actions}
    assert (ReasonKind.PREEMPTED in kinds) is drained, plan.actions


def test_a_memory_of_the_former_driver_of_a_template_refuses_no_plan() -> None:
    """A worker of before the move failed after it; the other template of the pool still has the driver of then."""
    moved = replace(STD, templates=(replace(SMALL, driver="other"), LARGE))
    key = OfferKey(pool=moved.name, template="small", driver="one", zone="a")
    stale = OfferMemory(key=key).failed(FailureCause.INTERRUPTED, NOW, requested_at_ms=NOW)
    for later_s in (1, 3_600):
        plan = plan_of(seen(stale, of=moved, count=4), later_s=later_s)
        assert {(driver, template) for driver, template, _ in made(plan)} == {("other", "small")}


def test_room_at_two_drivers_adds_up_to_nothing() -> None:
    first = pool(
        "first",
        template("a", 16, 480),
        template("b", 16, 600, driver="two"),
        driver="one",
        min_workers=1,
        preempts_spot=True,
    )
    small = {
        "one": template("c", 8, 100, spot=SpotUse.YES),
        "two": template("d", 8, 110, spot=SpotUse.YES, driver="two"),
    }
    spots = [pool(f"spot-{name}", each, driver="one", disruption_budget=2) for name, each in small.items()]
    busy = [worker(1, of, made=offers_of(of.templates[0])[0], free=cores(0), live_attempts=1) for of in spots]
    short = tuple(failed(name, "", FailureCause.OUT_OF_CAPACITY, of=first) for name in "ab")
    plan = plan_of(replace(observed([first, *spots], busy, []), offers=short))
    assert plan.actions == ()
    both = [
        *busy,
        worker(2, spots[1], made=offers_of(spots[1].templates[0])[0], free=cores(0), live_attempts=1),
    ]
    enough = plan_of(replace(observed([first, *spots], both, []), offers=short))
    assert {each.worker.rpartition("-")[0] for each in enough.actions if isinstance(each, DrainWorker)} == {
        "spot-two-0"
    }
    assert len(enough.actions) == 2


def test_of_several_drivers_the_one_where_least_is_lost_makes_room() -> None:
    first = pool(
        "first",
        template("a", 16, 480),
        template("b", 16, 600, driver="two"),
        driver="one",
        min_workers=1,
        preempts_spot=True,
    )
    spots = [
        pool(f"spot-{name}", template(name, 16, 100, spot=SpotUse.YES, driver=name), driver="one")
        for name in ("one", "two")
    ]
    working = worker(1, spots[0], made=offers_of(spots[0].templates[0])[0], free=cores(0), live_attempts=1)
    rests = worker(1, spots[1], made=offers_of(spots[1].templates[0])[0], idle_since_ms=NOW)
    short = tuple(failed(name, "", FailureCause.OUT_OF_CAPACITY, of=first) for name in "ab")
    plan = plan_of(replace(observed([first, *spots], [working, rests], []), offers=short))
    assert [each.worker for each in plan.actions if isinstance(each, DrainWorker)] == ["spot-two-0-1"]


def test_a_template_of_another_driver_that_sells_nothing_changes_nothing() -> None:
    nothing = template("x", 16, 900, driver="two", spot=SpotUse.YES, max_spot_price_pico_per_hour=PicoUsd(1))
    of = pool("std", template("b1", 16, 480), template("b2", 16, 500), nothing, driver="one", max_workers=9)
    refused = failed("b1", "", FailureCause.UNAUTHORISED, of=of)
    assert made(plan_of(seen(refused, of=of, count=2))) == []
