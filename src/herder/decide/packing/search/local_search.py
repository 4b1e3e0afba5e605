"""Searches for a cheaper set of new bins until a limit is reached: several ways to open all bins, then `rebuild`.

Called by `optimise` with a first answer; gives back the best one it has seen, so that more time is never worse. It has no
clock: `keep_going` is asked before each bin and says when to stop. The order of what is tried is fixed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice

from herder.decide.packing.fill_bin import Pattern, Style
from herder.decide.packing.groups import BinOffer
from herder.decide.packing.open_bins import (
    Known,
    OfferLimits,
    Run,
    look,
    offer_limits_of,
    open_bins,
    price_of,
)
from herder.decide.packing.search.configurations import Mix
from herder.decide.packing.search.exact_fill import ITEMS_A_BIN, ITEMS_MAX, combine
from herder.decide.packing.search.rebuild import rebuild
from herder.decide.packing.search.solution import Solution, Task, cheaper, is_enough, score_of
from herder.decide.packing.shapes import WINDOW

#: The styles of a whole packing, good ones first.
STYLES = (
    Style(chunk_divisor=8, length_exponent=0.5, base_percent=95),
    Style(chunk_divisor=8, length_exponent=0.0),
    Style(chunk_divisor=16, length_exponent=0.5, base_percent=70),
    Style(chunk_divisor=4, length_exponent=0.5),
    Style(chunk_divisor=8, length_exponent=0.3, base_percent=50),
    Style(chunk_divisor=16, length_exponent=0.8),
    Style(chunk_divisor=16, length_exponent=0.3, base_percent=90),
    Style(chunk_divisor=8, length_exponent=0.2),
    Style(chunk_divisor=8, length_exponent=0.5, base_percent=85),
)

#: Offers whose best content is worth less than this part of what the best offer's is, for its price, are left out of most
#: tries: filling a bin is what costs.
_PAYS = 0.98
#: And of those no more than so many, the largest first.
_PAYING_MAX = 6
#: Offers of the first answer that are tried item by item: no more than so many, and none with less than such a part of the cost.
_USED_MAX = 3
_USED_PART = 20
#: Ways that are tried before contents are mixed.
_BEFORE_MIX = 3
#: A cost over the bound from which on contents are mixed.
_GAP_FOR_MIX = 1.003
#: And items in a bin, on average, beyond which there are too many contents; with more than a few offers, a third of it.
_ITEMS_FOR_MIX, _FEW_OFFERS = 30, 4
#: Of numbers that come from floats.
_ROUNDING = 1e-6
#: Tries of each bin that is filled item by item.
_TRIES = 8


def improve_answer(
    task: Task,
    first: Solution,
    worth: Mapping[int, int],
    enough: int,
    mixed: Callable[[Solution], Mix],
) -> Solution:
    """`enough`: a cost that cannot be undercut; who reaches it may stop. `mixed`: the contents of new bins that would be best if
    there were parts of bins, beginning with those of an answer, and a bound."""
    best = first
    ways = (_ways_of_distinct if len(task.left) > WINDOW else _ways)(task, first, worth)
    for way in islice(ways, _BEFORE_MIX):
        if not task.keep_going() or is_enough(best, enough):
            return best
        best = min(best, way(), key=lambda answer: answer.score)
    a_bin = _ITEMS_FOR_MIX if len(task.offers) <= _FEW_OFFERS else _ITEMS_FOR_MIX // 3
    if best.score[1] > enough * _GAP_FOR_MIX and sum(task.left) <= a_bin * best.score[2]:
        mix = mixed(best)
        enough = max(enough, mix.bound) if best.score[0] == 0 else enough
        ways = chain(_rounded(task, worth, mix.runs), ways) if mix.runs else ways
    for way in ways:
        if not task.keep_going() or is_enough(best, enough):
            return best
        best = min(best, way(), key=lambda answer: answer.score)
    return rebuild(task, best, worth, enough, STYLES)


def _rounded(
    task: Task, worth: Mapping[int, int], mix: Sequence[tuple[BinOffer, Pattern, float]]
) -> Iterator[Callable[[], Solution]]:
    """The whole bins of a mix, without and with the larger parts, and the rest by several styles."""
    for style in STYLES[:4]:
        for part in (1.0, 0.7, 0.5):
            yield partial(_of_mix, task, worth, mix, style, part)


def _of_mix(
    task: Task,
    worth: Mapping[int, int],
    mix: Sequence[tuple[BinOffer, Pattern, float]],
    style: Style,
    part: float,
) -> Solution:
    task.restore()
    room = offer_limits_of(task.offers, task.group_limits)
    runs: list[Run] = []
    for offer, pattern, count in sorted(mix, key=lambda row: (-(row[2] % 1), row[0].kind, row[0].key)):
        most = min((shape.left // each for shape, each in pattern), default=0)
        copies = min(int(count + 1 - part + _ROUNDING), room.of(offer), most)
        if copies > 0:
            runs.append((offer, pattern, copies))
            room.take(offer, copies)
            for shape, each in pattern:
                shape.left -= each * copies
    task.table.renew()
    return _finished(task, worth, style, runs, room)


def _ways_of_distinct(
    task: Task, first: Solution, worth: Mapping[int, int]
) -> Iterator[Callable[[], Solution]]:
    """Items that are hardly ever alike have no mix that could be kept; and the whole is dear to pack: parts of it pay more."""
    used = _used(first)
    found: list[Solution] = []

    def combined(offers: Sequence[BinOffer]) -> Solution:
        found.append(_combined(task, worth, offers, _TRIES))
        return found[-1]

    if used and sum(task.left) <= min(ITEMS_MAX, ITEMS_A_BIN * _bins_worth(task, worth, used[0])):
        yield partial(combined, used)
        if len(used) < len(task.offers) <= _USED_MAX:
            yield partial(combined, sorted(task.offers, key=_largest))
        if found[0].score[0] == 0 and found[0].score[1] * 100 < first.score[1] * 99:
            return
    yield partial(_aligned, task, worth, STYLES[1], used)


def _ways(task: Task, first: Solution, worth: Mapping[int, int]) -> Iterator[Callable[[], Solution]]:
    """To open all bins anew, good ones first."""
    paying = _paying(task, worth)
    for style in STYLES[:3]:
        yield partial(_aligned, task, worth, style, paying)
    yield partial(_aligned, task, worth, STYLES[1], task.offers)
    for offer in paying[:2]:
        yield partial(_aligned, task, worth, STYLES[0], [offer])
    for style in STYLES[3:]:
        yield partial(_aligned, task, worth, style, paying)


def _bins_worth(task: Task, worth: Mapping[int, int], offer: BinOffer) -> float:
    """How many of this offer all items are worth."""
    whole = sum(worth[id(shape)] * count for shape, count in zip(task.table.shapes, task.left, strict=True))
    return whole / price_of(offer)


def _used(answer: Solution) -> list[BinOffer]:
    """The offers for which most is paid, the largest first."""
    paid: dict[tuple[int, int], int] = {}
    offers: dict[tuple[int, int], BinOffer] = {}
    for offer, _, copies in answer.runs:
        key = offer.kind, offer.key
        offers[key] = offer
        paid[key] = paid.get(key, 0) + offer.price_pico_per_hour * copies
    most = sorted(paid, key=lambda key: (-paid[key], key))[:_USED_MAX]
    chosen = [offers[key] for key in most if paid[key] * _USED_PART >= sum(paid.values())]
    return sorted(chosen, key=_largest)


def _largest(offer: BinOffer) -> tuple[int, int, int]:
    return -offer.price_pico_per_hour, offer.kind, offer.key


def _paying(task: Task, worth: Mapping[int, int]) -> list[BinOffer]:
    """The offers that are good now, the largest first."""
    task.restore()
    room = offer_limits_of(task.offers, task.group_limits)
    known: Known = {}
    looks = [look(task.table, offer, room, known, worth, STYLES[0]) for offer in task.offers]
    found = [(each.worth / each.price, each.offer) for each in looks if each is not None]
    least = max((ratio for ratio, _ in found), default=0.0) * _PAYS
    good = [offer for ratio, offer in found if ratio >= least]
    good.sort(key=_largest)
    return good[:_PAYING_MAX]


def _aligned(task: Task, worth: Mapping[int, int], style: Style, offers: Sequence[BinOffer]) -> Solution:
    task.restore()
    room = offer_limits_of(task.offers, task.group_limits)
    runs = open_bins(task.table, offers, room, {}, worth=worth, style=style, keep_going=task.keep_going)
    return _finished(task, worth, style, runs, room)


def _combined(task: Task, worth: Mapping[int, int], offers: Sequence[BinOffer], tries: int) -> Solution:
    task.restore()
    room = offer_limits_of(task.offers, task.group_limits)
    rows = list(zip(task.table.shapes, task.left, strict=True))
    runs = combine(rows, offers, room, worth=worth, tries=tries, keep_going=task.keep_going)
    for _, pattern, copies in runs:
        for shape, count in pattern:
            shape.left -= count * copies
    task.table.renew()
    return _finished(task, worth, STYLES[0], runs, room)


def _finished(
    task: Task, worth: Mapping[int, int], style: Style, runs: list[Run], room: OfferLimits
) -> Solution:
    """What the chosen offers would not do, in any."""
    if any(shape.left for shape in task.table.shapes):
        runs += open_bins(
            task.table, task.offers, room, {}, worth=worth, style=style, keep_going=task.keep_going
        )
    runs = cheaper(runs, task.offers, room)
    return Solution(tuple(runs), score_of(runs, sum(shape.left for shape in task.table.shapes)))
