"""Bounds the work of one plan: when there are very many distinct shapes of jobs, similar ones are planned as one.

Called by `snapshot.snapshot_of` and nowhere else. Packing costs more than the square of the number of shapes, so that a user with
17,500 of them would keep a plan busy for seconds. A group is as large as its largest member in each resource, and all its
members fit the same templates: what is made for it holds them all. It must never change anything as long as few shapes wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log

from herder.decide.eligibility.matching import Kinds
from herder.model.ids import ClassId
from herder.model.planning.observed import QueuedClass
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import counted
from herder.model.values.resources import Resources
from herder.model.values.vectors import new_vector
from herder.model.work.demand import DemandGroup, ShapeGroup, apart_of

#: Shapes that are planned one by one, and groups that are planned at most: a plan of some tens of milliseconds.
SHAPES_MAX = 500
#: Amounts of one group lie within this factor; the first that makes few enough groups is taken.
FACTORS = (1.1, 1.3, 1.7, 2.5, 6.0)

#: A kind of place with the size of a template there.
Size = tuple[int, Resources]
_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """`lead` by class: the one that its group is planned as; empty when nothing was grouped."""

    queue: tuple[DemandGroup, ...]
    lead: Mapping[ClassId, ClassId] = field(default_factory=dict)
    note: Reason | None = None
    """What a person should know of it."""


def grouped(waiting: Sequence[DemandGroup], kinds: Kinds, sizes: Iterable[Size], left_out: int) -> Grouped:
    """`waiting` by class. `left_out`: classes that were not even observed."""
    if len(waiting) <= SHAPES_MAX and not left_out:
        return Grouped(queue=tuple(waiting))
    known = tuple(dict.fromkeys(sizes))
    places = [_places(queued, kinds, known) for queued in waiting]
    groups: dict[_Key, list[int]] = {}
    for factor in FACTORS:
        groups = {}
        for index, queued in enumerate(waiting):
            steps = tuple(_step(amount, factor) for amount in queued.asks.request)
            groups.setdefault((*places[index], steps), []).append(index)
        if len(groups) <= SHAPES_MAX:
            break
    members = [[waiting[index] for index in group] for group in groups.values()]
    planned, later = _first(members)
    merged = [_merged(group) for group in planned]
    lead = {each.class_id: one.class_id for one, group in zip(merged, planned, strict=True) for each in group}
    queue = tuple(sorted(merged, key=lambda each: each.class_id))
    return Grouped(queue=queue, lead=lead, note=_note(len(waiting) + left_out, len(queue), later + left_out))


def _places(queued: DemandGroup, kinds: Kinds, sizes: Sequence[Size]) -> _Key:
    allowed, request = kinds.allowed(queued.asks), queued.asks.request
    fits = (place for place, (kind, size) in enumerate(sizes) if kind in allowed and request.fits_in(size))
    return queued.source, allowed, tuple(fits), apart_of(queued.asks)


def _step(amount: int, factor: float) -> int:
    return -1 if amount <= 0 else int(log(amount) / log(factor))


def _first(groups: list[list[DemandGroup]]) -> tuple[list[list[DemandGroup]], int]:
    """The most urgent and oldest groups, and how many classes are in the others: they come when these have started."""
    if len(groups) <= SHAPES_MAX:
        return groups, 0
    groups.sort(key=lambda group: (-_priority(group), _oldest(group), group[0].class_id))
    return groups[:SHAPES_MAX], sum(map(len, groups[SHAPES_MAX:]))


def _priority(group: Iterable[DemandGroup]) -> int:
    return max(each.asks.priority for each in group)


def _oldest(group: Iterable[DemandGroup]) -> int:
    return min(each.oldest_ready_at_ms for each in group)


def _merged(group: Sequence[DemandGroup]) -> DemandGroup:
    first = group[0]
    if len(group) == 1:
        return first
    amounts = tuple(map(max, *(each.asks.request for each in group)))
    largest, priority = new_vector(type(first.asks.request), amounts), _priority(group)
    merged = replace(first, count=sum(each.count for each in group), oldest_ready_at_ms=_oldest(group))
    if isinstance(merged, QueuedClass):
        return replace(merged, job_class=replace(merged.job_class, request=largest, priority=priority))
    assert isinstance(merged, ShapeGroup)
    return replace(merged, shape=replace(merged.shape, request=largest, priority=priority))


def _note(shapes: int, groups: int, later: int) -> Reason:
    what, grouped_as = f"{counted(shapes, 'distinct job shape')} are queued", counted(groups, "group")
    text = f"{what}. They are planned as {grouped_as}, each as large as its largest member."
    if later:
        text = f"{what}. {shapes - later:,} are planned now, as {grouped_as}, and {later:,} when those have started."
    return Reason(
        kind=ReasonKind.SHAPES_GROUPED,
        text=text,
        evidence=(("shapes", shapes), ("groups", groups), ("later", later)),
    )
