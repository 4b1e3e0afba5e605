"""The requests of live attempts: by user, by user and project as quotas count them, and how many of each job type.

Told by `engine/attempts/attempt.py` and at recovery of each attempt that begins or ends; read by placement, quotas and views. Very many begin and end
between two looks, of few classes: they are counted by class, and the sums are brought up to date when somebody looks.
"""

from collections.abc import Mapping

from herder.model.ids import ClassId, UserName
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass
from herder.model.work.sharing import NOTHING, Amounts, amounts_of


class LiveUsage:
    __slots__ = ("_held", "_in_use", "_moved", "_types")

    def __init__(self) -> None:
        self._in_use: dict[UserName, Resources] = {}
        self._held: dict[tuple[UserName, str], Amounts] = {}
        self._types: dict[str, int] = {}
        self._moved: dict[ClassId, tuple[JobClass, int]] = {}
        """By class, how many more attempts live than the sums say."""

    def count(self, class_id: ClassId, job_class: JobClass, count: int) -> None:
        """So many attempts of a class have begun; a negative count has ended."""
        moved = self._moved.get(class_id)
        self._moved[class_id] = job_class, count if moved is None else count + moved[1]

    @property
    def in_use(self) -> Mapping[UserName, Resources]:
        """Of users who have anything."""
        if self._moved:
            self._add_up()
        return self._in_use

    @property
    def held(self) -> Mapping[tuple[UserName, str], Amounts]:
        """The same by user and project."""
        if self._moved:
            self._add_up()
        return self._held

    @property
    def types(self) -> Mapping[str, int]:
        """Live attempts by job type, of the types that have any."""
        if self._moved:
            self._add_up()
        return self._types

    def _add_up(self) -> None:
        for job_class, count in self._moved.values():
            if not count:
                continue
            user, request = job_class.user, job_class.request
            used = self._in_use.get(user, ZERO).plus(request.times(count))
            if any(used):
                self._in_use[user] = used
            else:
                self._in_use.pop(user, None)
            key = user, job_class.project
            held = self._held.get(key, NOTHING).plus(amounts_of(request).times(count))
            if held.jobs:
                self._held[key] = held
            else:
                self._held.pop(key, None)
            if job_class.type:
                self._types[job_class.type] = self._types.get(job_class.type, 0) + count
                if not self._types[job_class.type]:
                    del self._types[job_class.type]
        self._moved.clear()
