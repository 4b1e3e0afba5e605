"""How many idle workers of a template are worth their price, learned from past rises of its demand.

Called by the planner. A job that finds no idle worker waits for a boot. Of `k` idle workers the k-th spares that wait when the
need rises by k within a boot time. Such rises come in swarms: the longer ago the last one, the less likely the next, and the
chance falls about as one over that time (at 3 to 300 minutes, on two traces of clusters). How large it is, is learned for
small and large rises apart. So the k-th idle worker is wanted for a time after each rise by k, which is a figure that can be told:

    chance of a rise by k in the next second = learned / seconds since the last one
    worth of the worker in that second       = chance x wait spared x wait_cost, in seconds of a worker
    wanted while that is at least 1          = until `learned x wait spared x wait_cost` after the last rise by k

It is the rule of ski rental, too, that an idle worker beyond those is kept for as long as a boot takes. A template that costs
nothing keeps its workers for as long as the pool says. Nothing is decided here while no boot was seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt

from herder.decide.scaling.snapshot import PoolView
from herder.model.fleet.offer import Offer
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.demand_rises import RISE_MOST, Rises, group_of

#: The need of the last boot time is remembered in so many slices, two values of each.
SLICES = 8
#: What is believed before anything was seen, and how many logarithms' worth of seeing it counts for. From SURF's trace.
PRIOR_CHANCE = 0.3
PRIOR_WEIGHT = 5.0
#: Within so many boot times of a rise the next belongs to the same swarm, and says nothing of what comes after a pause.
SWARM_BOOTS = 2
#: A rise up to this size spares each of its jobs the wait for a boot. Workers beyond it spare less, those before it more, because they
#: are idle for a smaller part of the time. The square root is what served the SURF trace best.
WHOLE_WAIT_TO = 8
#: Nothing is kept for longer than this for its learned worth: a day.
HORIZON_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """`count` idle workers are wanted, because the need rose by so many `last_ms` ago; that holds until `until_ms`."""

    count: int
    last_ms: int
    until_ms: int
    chance: float


def boot_ms_of(view: PoolView, offer: Offer) -> int | None:
    """None where no stock is kept: not asked for, free of charge, or no boot was seen."""
    seconds = view.history.boot_s
    if view.spec.scale_up.wait_cost is None or offer.price_pico_per_hour <= 0 or seconds is None:
        return None
    return boot_ms(seconds)


def boot_ms(boot_s: float) -> int:
    return max(1, round(boot_s * 1000))


def idle_timeout_s(spec: PoolSpec, boot_s: float | None, price_pico_per_hour: int) -> float | None:
    """Where idle workers are weighed, one that is not in stock goes when it has cost as much as a boot."""
    if (
        spec.scale_up.wait_cost is None
        or spec.scale_down.idle_timeout_s is None
        or boot_s is None
        or price_pico_per_hour <= 0
    ):
        return spec.scale_down.idle_timeout_s
    return min(spec.scale_down.idle_timeout_s, boot_s)


def learn(known: Rises, need: int, boot_ms: int, now_ms: int) -> Rises:
    """What is known after the need was seen to be so many workers. Seeing the same twice at one time changes nothing."""
    lows = _lows(known.lows, need, boot_ms, now_ms)
    rise = min(RISE_MOST, need - min(low for _, low in lows))
    hits, waits = list(known.hits), list(known.waits)
    for size in range(known.rise + 1, min(rise, len(known.last_ms)) + 1):
        gap = (now_ms - known.last_ms[size - 1]) / (SWARM_BOOTS * boot_ms)
        if gap > 1.0:
            group = group_of(size)
            hits[group] += 1
            waits[group] += log(gap)
    return Rises(
        lows=lows,
        rise=rise,
        last_ms=(*(now_ms for _ in range(rise)), *known.last_ms[rise:]),
        hits=tuple(hits),
        waits=tuple(waits),
    )


def _lows(
    lows: tuple[tuple[int, int], ...], need: int, boot_ms: int, now_ms: int
) -> tuple[tuple[int, int], ...]:
    """Rising in both: what is not below a later need can never be the least again."""
    found = [low for low in lows if low[1] <= need]
    if not found or found[-1][1] < need:
        found.append((now_ms, need))
    slice_ms = max(1, boot_ms // SLICES)
    if len(found) > 2 and found[-3][0] // slice_ms == now_ms // slice_ms:
        del found[-2]
    # The newest of the old ones says what the need was when the boot time began.
    while len(found) > 1 and found[1][0] <= now_ms - boot_ms:
        found.pop(0)
    return tuple(found)


def wanted(known: Rises, boot_ms: int, wait_cost: int, now_ms: int) -> Stock | None:
    """The largest number of idle workers that are worth it; None when not even one is."""
    chances = [
        (hits + PRIOR_CHANCE * PRIOR_WEIGHT) / (waits + PRIOR_WEIGHT)
        for hits, waits in zip(known.hits, known.waits, strict=True)
    ]
    for size in range(len(known.last_ms), 0, -1):
        chance, last_ms = chances[group_of(size)], known.last_ms[size - 1]
        spared_ms = boot_ms * sqrt(WHOLE_WAIT_TO / size)
        until_ms = last_ms + min(HORIZON_MS, int(chance * wait_cost * spared_ms))
        if now_ms < until_ms:
            return Stock(count=size, last_ms=last_ms, until_ms=until_ms, chance=chance)
    return None


def stocks_of(view: PoolView, needs: Mapping[str, int], now_ms: int) -> dict[str, Stock]:
    """By template, with what is needed now; nothing for a template that was never needed."""
    before, worth = dict(view.history.rises), view.spec.scale_up.wait_cost
    found = {}
    for offer in view.templates:
        boot, need = boot_ms_of(view, offer), needs.get(offer.name, 0)
        known = before.get(offer.name)
        if boot is None or worth is None or (known is None and not need):
            continue
        stock = wanted(learn(known or Rises(), need, boot, now_ms), boot, worth, now_ms)
        if stock is not None:
            found[offer.name] = stock
    return found
