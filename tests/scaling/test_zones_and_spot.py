"""One template in several zones, as spot and on-demand: the cheapest mix, next zone before on-demand, back to spot by one trial."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.model.fleet.offer import FailureCause, OfferMemory, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec, SpotUse, Zone
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import Observed, ObservedWorker
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.values.money import PicoUsd
from tests.planning.world import (
    NOW,
    applied,
    cores,
    creations,
    idle,
    key_of,
    observed,
    pool,
    queued,
    template,
    worker,
    worlds,
)

A, B, C = Zone(name="a"), Zone(name="b"), Zone(name="c")
MIXED = template(zones=(A, B, C), spot=SpotUse.PREFER)
STD = pool("std", MIXED, max_workers=30, new_workers_per_cycle=30)
SPOT = [OfferName("medium", zone, True) for zone in "abc"]


def failed(
    name: OfferName, cause: FailureCause = FailureCause.OUT_OF_CAPACITY, times: int = 1, *, of: PoolSpec = STD
) -> OfferMemory:
    sold = next(offer for each in of.templates for offer in offers_of(each) if offer.id == name)
    memory = OfferMemory(key=key_of(of, sold))
    for _ in range(times):
        memory = memory.failed(cause, NOW, requested_at_ms=NOW)
    return memory


def plan_of(
    *memories: OfferMemory,
    count: int = 1,
    of: PoolSpec = STD,
    workers: list[ObservedWorker] | None = None,
    later_s: int = 1,
    **more: object,
) -> Plan:
    seen = observed([of], workers, [queued(1, count, cores(16), **more)])  # type: ignore[arg-type]
    seen, now = replace(seen, offers=memories), NOW + later_s * 1000
    plan = decide(seen, now)
    assert check_plan(seen, plan) == ()
    assert decide(applied(seen, plan, now), now).empty
    return plan


def made(plan: Plan) -> Counter[OfferName]:
    return Counter(OfferName(a.spec.template, a.spec.zone, a.spec.spot) for a in creations(plan))


def test_a_template_is_several_offers_each_at_its_price() -> None:
    zones = (A, replace(B, price_pico_per_hour=PicoUsd(500), spot_price_pico_per_hour=PicoUsd(100)))
    offers = offers_of(template(price=480, zones=zones, spot=SpotUse.PREFER))
    assert [(offer.zone, offer.spot, offer.price_pico_per_hour) for offer in offers] == [
        ("a", True, 144),
        ("a", False, 480),
        ("b", True, 100),
        ("b", False, 500),
    ]
    assert dict(offers[0].labels) == {"zone": "a", "spot": "true"}
    (plain,) = offers_of(template(labels=(("k", "v"),)))
    assert (plain.id, plain.labels) == (OfferName("medium"), (("k", "v"),))
    dear = template(zones=zones, spot=SpotUse.PREFER, max_spot_price_pico_per_hour=PicoUsd(120))
    assert [offer.id for offer in offers_of(dear) if offer.spot] == [OfferName("medium", "b", True)]


def test_spot_first_and_spread_evenly_over_the_zones() -> None:
    assert made(plan_of(count=6)) == dict.fromkeys(SPOT, 2)
    there = [worker(n, STD, made=offers_of(MIXED)[0], free=cores(0), live_attempts=1) for n in (1, 2)]
    assert made(plan_of(count=4, workers=there)) == {SPOT[1]: 2, SPOT[2]: 2}


def test_the_cheaper_zone_is_not_left_for_the_sake_of_evenness() -> None:
    of = pool("std", template(zones=(A, replace(B, price_pico_per_hour=PicoUsd(470)))))
    assert made(plan_of(count=3, of=of)) == {OfferName("medium", "b"): 3}


def test_what_a_zone_may_hold_is_kept_and_the_next_takes_the_rest() -> None:
    zones = (replace(A, max_workers=2), replace(B, price_pico_per_hour=PicoUsd(500), max_workers=1))
    of = pool("std", template(zones=zones))
    plan = plan_of(count=5, of=of)
    assert made(plan) == {OfferName("medium", "a"): 2, OfferName("medium", "b"): 1}
    assert plan.unplaced[0].reason.kind is ReasonKind.AT_MAXIMUM
    assert "at most 2 workers" in plan.unplaced[0].reason.text


def test_a_zone_short_of_spot_is_passed_over_for_the_next_zone() -> None:
    assert made(plan_of(failed(SPOT[0]), count=4)) == {SPOT[1]: 2, SPOT[2]: 2}


@pytest.mark.parametrize(
    "cause", [FailureCause.OUT_OF_CAPACITY, FailureCause.INTERRUPTED, FailureCause.QUOTA_EXCEEDED]
)
def test_with_all_spot_short_on_demand_is_made_and_says_so(cause: FailureCause) -> None:
    plan = plan_of(*(failed(name, cause) for name in SPOT), count=3)
    assert {(name.zone, name.spot) for name in made(plan)} == {("a", False), ("b", False), ("c", False)}
    text = creations(plan)[0].reason.text
    assert "no spot worker can be created" in text
    assert "(spot)" in text
    evidence = dict(creations(plan)[0].reason.evidence)
    assert (evidence["spot_offers_short"], evidence["spot_offers"]) == (3, 3)


def test_after_the_rest_one_spot_worker_of_each_zone_is_tried_and_the_others_stay_on_demand() -> None:
    memories = [replace(failed(name), failures=0.0) for name in SPOT]
    assert made(plan_of(*memories, count=9, later_s=14)).total() == 9
    plan = made(plan_of(*memories, count=9, later_s=15))
    assert [plan[name] for name in SPOT] == [1, 1, 1]
    assert sum(count for name, count in plan.items() if not name.spot) == 6
    trial = worker(1, STD, made=offers_of(MIXED)[0], state=WorkerState.PROVISIONING, at=NOW + 15_000)
    again = made(plan_of(*memories, count=9, workers=[trial], later_s=16))
    assert [again[name] for name in SPOT] == [0, 1, 1]


def test_spot_that_came_is_used_again() -> None:
    memories = [failed(name).succeeded(NOW + 20_000) for name in SPOT]
    assert made(plan_of(*memories, count=6, later_s=20)) == dict.fromkeys(SPOT, 2)


def test_only_spot_waits_for_spot_and_says_what_for() -> None:
    of = pool("std", template(zones=(A, B), spot=SpotUse.YES))
    names = [OfferName("medium", zone, True) for zone in "ab"]
    plan = plan_of(*(failed(name, of=of) for name in names), of=of)
    assert creations(plan) == []
    assert plan.unplaced[0].reason.kind is ReasonKind.OFFER_RESTING
    assert "zone a (spot)" in plan.unplaced[0].reason.text


def test_a_quota_holds_for_all_templates_of_its_market_and_for_no_other() -> None:
    small = template("small", 16, 300, zones=(A, B), spot=SpotUse.PREFER)
    other = template("other", 16, 310, zones=(A, B), spot=SpotUse.PREFER)
    of = pool("std", small, other)
    quota = failed(OfferName("small", "a", True), FailureCause.QUOTA_EXCEEDED, of=of)
    assert set(made(plan_of(quota, count=2, of=of))) == {OfferName("small", "b", True)}
    refused = failed(OfferName("small", "a", True), FailureCause.UNAUTHORISED, of=of)
    assert made(plan_of(refused, count=2, of=of)) == {}


def test_spot_that_is_dearer_is_not_made() -> None:
    dear = template(spot=SpotUse.PREFER, spot_price_pico_per_hour=PicoUsd(480), price=470)
    plan = plan_of(of=pool("std", dear))
    assert made(plan) == {OfferName("medium"): 1}
    assert "spot costs the same or more" in creations(plan)[0].reason.text
    bounded = replace(dear, max_spot_price_pico_per_hour=PicoUsd(400))
    assert "more than max_spot_price" in creations(plan_of(of=pool("std", bounded)))[0].reason.text


def test_jobs_may_select_zone_and_market() -> None:
    assert made(plan_of(count=3, selector=(("zone", "b"),))) == {SPOT[1]: 3}
    on_b = plan_of(failed(SPOT[1]), count=2, selector=(("zone", "b"),))
    assert made(on_b) == {OfferName("medium", "b"): 2}
    assert made(plan_of(*(failed(name) for name in SPOT), count=1, selector=(("spot", "true"),))) == {}


def test_the_minimum_is_spread_too() -> None:
    of = pool("std", replace(MIXED, spot=SpotUse.NO), min_workers=3)
    seen = observed([of])
    assert {action.spec.zone for action in creations(decide(seen, NOW))} == {"a", "b", "c"}


def test_of_idle_workers_the_dearer_goes_first() -> None:
    on_demand = [offer for offer in offers_of(MIXED) if not offer.spot]
    of = replace(STD, size=replace(STD.size, min_workers=1))
    workers = [idle(1, of, made=on_demand[0]), idle(2, of, made=offers_of(MIXED)[0])]
    (gone,) = decide(observed([of], workers), NOW).actions
    assert gone.worker == workers[0].name  # type: ignore[union-attr]


def test_a_worker_in_a_zone_that_nobody_sells_is_found_by_the_linter() -> None:
    seen = observed([STD], [], [queued(1, 1, cores(16))])
    plan = decide(seen, NOW)
    (create,) = creations(plan)
    wrong = replace(create, spec=replace(create.spec, zone="elsewhere"))
    assert any("is not sold at" in each for each in check_plan(seen, replace(plan, actions=(wrong,))))


@given(worlds(), st.integers(0, 3_600_000))
def test_no_zone_is_given_more_than_its_quota(world: Observed, later: int) -> None:
    plan = decide(world, NOW + later)
    assert check_plan(world, plan) == ()
    live = Counter((w.spec.pool, w.spec.template, w.spec.zone, w.spec.spot) for w in world.workers)
    new = Counter((c.spec.pool, c.spec.template, c.spec.zone, c.spec.spot) for c in creations(plan))
    for spec in world.pools:
        for each in spec.templates:
            for offer in offers_of(each):
                key = (spec.name, *offer.id)
                if offer.most is not None and new[key]:
                    assert live[key] + new[key] <= offer.most


def test_a_template_without_zones_and_spot_is_one_offer_of_which_nothing_is_said() -> None:
    plan = plan_of(of=pool("std", template()))
    assert made(plan) == {OfferName("medium"): 1}
    assert "spot" not in creations(plan)[0].reason.text
