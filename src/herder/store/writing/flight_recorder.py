"""The flight recorder: stores the observation of each recorded plan, so that the plan can be computed again byte for byte.

`Recorder` is asked by the scale loop for each plan that becomes a row, and `play` gives the observations back, to `herder simulate
verify`. A frame holds only what differs from the frame before; at times one holds everything, so that what is old can be
forgotten. Fields are written by name, whatever they are: what observations come to hold later is recorded too. It must never
change an observation, nor cost anything in cycles that record no plan.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import msgspec

from herder.model.ids import ClassId, PlanNumber, WorkerName
from herder.model.planning.observed import Observed, ObservedWorker, QueuedClass, RunningClass
from herder.model.stored.records import ObservationRecord
from herder.model.values.phrases import clause
from herder.model.values.resources import PLAIN, Dimension, Dimensions, Resources
from herder.model.work.demand import ShapeGroup
from herder.model.work.job import JobClass
from herder.model.work.sharing import Amounts, Limits, amounts_from, limits_from
from herder.store.rows.versions import WRITTEN

#: After so many frames, or when they have come to so many times its size, the next one holds everything again.
FRAMES_MAX = 500
SIZES_MAX = 4
#: Most of the gain at a third of the time of zlib's default.
ZIP_LEVEL = 1

_REST = tuple(each.name for each in fields(Observed) if each.name not in ("workers", "demand"))
_OF_WORKER = tuple(each.name for each in fields(ObservedWorker) if each.name != "running")
_OF_QUEUED = tuple(each.name for each in fields(QueuedClass) if each.name != "job_class")
_OF_RUNNING = tuple(each.name for each in fields(RunningClass) if each.name != "job_class")

_Plain = dict[str, Any]
T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode


class BrokenRecord(ValueError):
    """A frame that does not follow the one before it, or cannot be read."""


@dataclass(slots=True)
class Recorder:
    """What the last frame showed. Objects of observations are kept as they are: most stay the same from plan to plan."""

    _follows: PlanNumber | None = None
    _frames: int = 0
    _whole: int = 0
    """Size of the last frame that held everything; `_parts`: of those since."""
    _parts: int = 0
    _rest: _Plain = field(default_factory=dict)
    _workers: dict[WorkerName, ObservedWorker] = field(default_factory=dict)
    _queued: dict[ClassId, QueuedClass] = field(default_factory=dict)
    _classes: dict[JobClass, int] = field(default_factory=dict)

    def frame(self, observed: Observed, now_ms: int) -> ObservationRecord:
        """The row for a plan that is recorded now; rows must be stored in the order in which they are asked for."""
        if self._frames >= FRAMES_MAX or self._parts > SIZES_MAX * self._whole:
            self._follows, self._rest, self._workers, self._queued, self._classes = None, {}, {}, {}, {}
        known = len(self._classes)
        rest = {name: getattr(observed, name) for name in _REST}
        rest["shapes"] = [each for each in observed.demand if not isinstance(each, QueuedClass)]
        body: _Plain = {
            "now_ms": now_ms,
            "rest": {
                name: value
                for name, value in rest.items()
                if name not in self._rest or self._rest[name] != value
            },
            **self._changed_workers(observed),
            **self._changed_queue(observed),
        }
        body["classes"] = list(self._classes)[known:]
        self._rest = rest
        text = b64encode(zlib.compress(_encode(body), ZIP_LEVEL)).decode()
        record = ObservationRecord(
            observed.plan_number, self._follows, now_ms, len(text), text, WRITTEN["observation"]
        )
        if self._follows is None:
            self._frames, self._whole, self._parts = 1, len(text), 0
        else:
            self._frames, self._parts = self._frames + 1, self._parts + len(text)
        self._follows = observed.plan_number
        return record

    def _changed_workers(self, observed: Observed) -> _Plain:
        before, now = self._workers, {worker.spec.name: worker for worker in observed.workers}
        self._workers = now
        changed = [
            worker
            for name, worker in now.items()
            if (old := before.get(name)) is not worker and old != worker
        ]
        return {
            "workers": [self._worker(worker, before.get(worker.spec.name)) for worker in changed],
            "gone": [name for name in before if name not in now],
        }

    def _worker(self, worker: ObservedWorker, before: ObservedWorker | None) -> _Plain:
        plain: _Plain = {"name": worker.spec.name}
        for name in _OF_WORKER:
            value = getattr(worker, name)
            if before is None or getattr(before, name) != value:
                plain[name] = value
        if before is None or before.running != worker.running:
            plain["running"] = self._running(worker.running, before.running if before is not None else None)
        return plain

    def _running(
        self, now: tuple[RunningClass, ...] | None, before: tuple[RunningClass, ...] | None
    ) -> _Plain | None:
        """By field, what it is of each; fields that are as before are left out. Expected ends change with every plan, the rest seldom."""
        if now is None:
            return None
        old, new = self._columns(before or ()), self._columns(now)
        return {name: values for name, values in new.items() if before is None or old[name] != values}

    def _columns(self, running: tuple[RunningClass, ...]) -> _Plain:
        plain: _Plain = {name: [getattr(each, name) for each in running] for name in _OF_RUNNING}
        plain["job_class"] = [self._number(each.job_class) for each in running]
        return plain

    def _changed_queue(self, observed: Observed) -> _Plain:
        queued = (each for each in observed.demand if isinstance(each, QueuedClass))
        before, now = self._queued, {each.class_id: each for each in queued}
        self._queued = now
        changed = [each for number, each in now.items() if before.get(number) != each]
        return {
            "queued": [self._queue(each) for each in changed],
            "empty": [number for number in before if number not in now],
        }

    def _queue(self, queued: QueuedClass) -> _Plain:
        plain: _Plain = {name: getattr(queued, name) for name in _OF_QUEUED}
        plain["job_class"] = self._number(queued.job_class)
        return plain

    def _number(self, job_class: JobClass) -> int:
        """Classes are many times the size of what is said of them, and the same ones come again and again."""
        return self._classes.setdefault(job_class, len(self._classes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    plan: PlanNumber
    now_ms: int
    observed: Observed


def play(rows: Iterable[ObservationRecord]) -> Iterator[Played]:
    """What the planner saw, in the order of the plans, from rows of the version that is written now. Raises BrokenRecord."""
    state, last = _Shown(), None
    for row in rows:
        if row.follows is None:
            state = _Shown()
        elif row.follows != last:
            raise BrokenRecord(
                f"The observation of plan {row.plan} builds on that of plan {row.follows}, which is missing."
            )
        try:
            body = msgspec.msgpack.decode(zlib.decompress(b64decode(row.body)))
            seen = state.take_in(body)
            yield Played(plan=PlanNumber(row.plan), now_ms=body["now_ms"], observed=seen)
        except (msgspec.MsgspecError, zlib.error, ValueError, KeyError) as error:
            raise BrokenRecord(
                f"The observation of plan {row.plan} cannot be read: {clause(error)}."
            ) from None
        last = row.plan


@dataclass(slots=True)
class _Shown:
    rest: _Plain = field(default_factory=dict)
    plain: dict[str, _Plain] = field(default_factory=dict)
    """Of each worker: its fields as they are written, and made into one only when they change."""
    workers: dict[str, ObservedWorker] = field(default_factory=dict)
    queued: dict[int, QueuedClass] = field(default_factory=dict)
    classes: list[JobClass] = field(default_factory=list)

    table: Dimensions = PLAIN
    """Of the vectors in these frames."""

    def take_in(self, body: _Plain) -> Observed:
        self.rest.update(body["rest"])
        if "declared" in body["rest"]:
            self.table = Dimensions(msgspec.convert(body["rest"]["declared"], tuple[Dimension, ...]))
        self.classes += self._convert(body["classes"], list[JobClass])
        for name in body["gone"]:
            del self.workers[name], self.plain[name]
        for plain in body["workers"]:
            name = plain.pop("name")
            self.workers[name] = self._worker(self.plain.setdefault(name, {}), plain)
        for number in body["empty"]:
            del self.queued[number]
        for plain in body["queued"]:
            self.queued[plain["class_id"]] = self._part(plain, QueuedClass)
        rest = dict(self.rest)
        shapes = self._convert(rest.pop("shapes"), list[ShapeGroup])
        outline = self._convert({**rest, "workers": (), "demand": ()}, Observed)
        return replace(
            outline,
            workers=tuple(self.workers.values()),
            demand=(*(self.queued[number] for number in sorted(self.queued)), *shapes),
        )

    def _worker(self, known: _Plain, changed: _Plain) -> ObservedWorker:
        before, running = known.get("running"), changed.get("running")
        if running is not None:
            changed["running"] = {**(before or {}), **running}
        known.update(changed)
        columns = known["running"]
        if columns is None:
            return self._convert(known, ObservedWorker)
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        parts = tuple(self._part(row, RunningClass) for row in rows)
        return self._convert({**known, "running": parts}, ObservedWorker)

    def _part(self, plain: _Plain, kind: type[Any]) -> Any:
        return self._convert({**plain, "job_class": self.classes[plain["job_class"]]}, kind)

    def _convert(self, plain: Any, kind: type[T]) -> T:
        return msgspec.convert(plain, kind, from_attributes=True, dec_hook=self._vector)

    def _vector(self, kind: type, plain: Any) -> Any:
        """Vectors stand as their places."""
        if issubclass(kind, Resources):
            return self.table.of(plain)
        if issubclass(kind, Amounts):
            return amounts_from(self.table, plain)
        if issubclass(kind, Limits):
            return limits_from(self.table, plain)
        raise NotImplementedError(kind.__name__)
