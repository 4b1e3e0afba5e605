"""Look for a cheaper set of new bins, as long as one is let: other styles of filling, then take the worst bins apart again.

Called by `optimise` with a first answer; gives back the best one it has seen, so that more time is never worse. It has no
clock: `keep_going` is asked before each bin and says when to stop. The order of what is tried is fixed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from herder.decide.packing.fill import Style
from herder.decide.packing.groups import BinOffer
from herder.decide.packing.opening import Known, Room, Run, look, open_bins, price_of, room_of
from herder.decide.packing.shapes import ShapeTable
from herder.model.resources import ZERO

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


@dataclass(slots=True, kw_only=True)
class Task:
    """What is left for new bins, and what may be opened. `left`: how many of each shape, as they stand in the table."""

    table: ShapeTable
    left: Sequence[int]
    offers: Sequence[BinOffer]
    group_limits: Mapping[int, int]
    keep_going: Callable[[], bool]

    def restore(self) -> None:
        for shape, count in zip(self.table.shapes, self.left, strict=True):
            shape.left = count
        self.table.renew()


#: What is worse comes first: items that found no place, then cost, then the number of bins.
Score = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    runs: tuple[Run, ...]
    score: Score


def score_of(runs: Sequence[Run], left: int) -> Score:
    return left, cost_of(runs), sum(copies for _, _, copies in runs)


def cost_of(runs: Sequence[Run]) -> int:
    return sum(offer.price_pico_per_hour * copies for offer, _, copies in runs)


def improve_answer(task: Task, first: Answer, worth: Mapping[int, int], enough: int) -> Answer:
    """`enough`: a cost that cannot be undercut; who reaches it may stop."""
    best = first
    paying = _paying(task, worth)
    tries = [(style, paying) for style in STYLES[:3]] + [(STYLES[1], task.offers)]
    tries += [(STYLES[0], [offer]) for offer in paying[:2]] + [(style, paying) for style in STYLES[3:]]
    for style, offers in tries:
        if not task.keep_going() or _is_enough(best, enough):
            return best
        best = min(best, _whole(task, worth, style, offers), key=lambda answer: answer.score)
    return _rebuild_worst(task, best, worth, enough)


def _paying(task: Task, worth: Mapping[int, int]) -> list[BinOffer]:
    """The offers that are good now, the largest first."""
    task.restore()
    room = room_of(task.offers, task.group_limits)
    known: Known = {}
    looks = [look(task.table, offer, room, known, worth, STYLES[0]) for offer in task.offers]
    found = [(each.worth / each.price, each.offer) for each in looks if each is not None]
    least = max((ratio for ratio, _ in found), default=0.0) * _PAYS
    good = [offer for ratio, offer in found if ratio >= least]
    good.sort(key=lambda offer: (-offer.price_pico_per_hour, offer.kind, offer.key))
    return good[:_PAYING_MAX]


def _is_enough(answer: Answer, enough: int) -> bool:
    return answer.score[0] == 0 and answer.score[1] <= enough


def _whole(task: Task, worth: Mapping[int, int], style: Style, offers: Sequence[BinOffer]) -> Answer:
    """The offers given, and when they will not do, all of them."""
    task.restore()
    room = room_of(task.offers, task.group_limits)
    runs = open_bins(task.table, offers, room, {}, worth=worth, style=style, keep_going=task.keep_going)
    if any(shape.left for shape in task.table.shapes):
        runs += open_bins(
            task.table, task.offers, room, {}, worth=worth, style=style, keep_going=task.keep_going
        )
    runs = _smaller(runs, task, room)
    return Answer(tuple(runs), score_of(runs, sum(shape.left for shape in task.table.shapes)))


def _smaller(runs: Sequence[Run], task: Task, room: Room) -> list[Run]:
    """Each content in the cheapest offer that holds it, as far as the limits go."""
    by_price = sorted(
        task.offers, key=lambda offer: (offer.price_pico_per_hour, offer.size, offer.kind, offer.key)
    )
    result: list[Run] = []
    for offer, pattern, copies in runs:
        size, slots = ZERO, 0
        for shape, count in pattern:
            size, slots = size.plus(shape.size.times(count)), slots + count
        chosen = offer
        for other in by_price:
            if other.price_pico_per_hour >= offer.price_pico_per_hour:
                break
            if (
                size.fits_in(other.size)
                and slots <= other.slots
                and room.of(other) >= copies
                and all(shape.allowed is None or other.kind in shape.allowed for shape, _ in pattern)
            ):
                chosen = other
                room.take(offer, -copies)
                room.take(other, copies)
                break
        result.append((chosen, pattern, copies))
    return result


# --- take apart and build again ---------------------------------------------------------------------------------------

#: How many bins are taken apart at a time, in turn.
_PARTS = (2, 3, 4, 6, 8, 12, 16, 24)


def _rebuild_worst(task: Task, best: Answer, worth: Mapping[int, int], enough: int) -> Answer:
    turn, idle = 0, 0
    while idle < 8 * len(_PARTS) * len(STYLES) and task.keep_going() and not _is_enough(best, enough):
        found = _rebuild(task, best, worth, turn)
        idle = 0 if found.score < best.score else idle + 1
        if found.score <= best.score:
            best = found
        turn += 1
    return best


def _rebuild(task: Task, answer: Answer, worth: Mapping[int, int], turn: int) -> Answer:
    """Take the worst-filled bin apart with some others, and open bins for what was in them."""
    ranked = sorted(
        ((offer, pattern) for offer, pattern, copies in answer.runs for _ in range(copies)),
        key=lambda bin_: sum(worth[id(shape)] * count for shape, count in bin_[1]) / price_of(bin_[0]),
    )
    size = min(len(ranked), _PARTS[turn % len(_PARTS)])
    worst = size // 2 if turn % 3 else size
    chosen = set(range(worst))
    step = 1
    while len(chosen) < size:
        chosen.add((worst + (turn * 7919 + step * 104729)) % len(ranked))
        step += 1
    kept: list[Run] = [(*bin_, 1) for place, bin_ in enumerate(ranked) if place not in chosen]
    room = room_of(task.offers, task.group_limits)
    for offer, _, copies in kept:
        room.take(offer, copies)
    for shape in task.table.shapes:
        shape.left = 0
    for place in chosen:
        for shape, count in ranked[place][1]:
            shape.left += count
    task.table.renew()
    style = STYLES[turn % len(STYLES)]
    runs = open_bins(task.table, task.offers, room, {}, worth=worth, style=style, keep_going=task.keep_going)
    runs = _smaller(runs, task, room)
    left = sum(shape.left for shape in task.table.shapes) + answer.score[0]
    return Answer((*kept, *runs), score_of([*kept, *runs], left))
