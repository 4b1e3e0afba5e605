"""What a plan sees or concludes of each pool that the plan before did not. Pure."""

from dataclasses import dataclass
from typing import Any

from herder.wire.api.resources import PlanView

#: Figures of a pool in a plan, in the order in which they are told.
FIGURES = ("desired", "actual", "in_flight", "queued_jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDifference:
    pool: str
    figures: list[tuple[str, int, int]]
    """(name, before, now) of those that differ."""
    came: list[str]
    went: list[str]
    """Reasons, in sentences."""
    new: bool = False
    gone: bool = False
    """It is not in the newer plan."""


def differences(before: PlanView, now: PlanView) -> list[PoolDifference]:
    """Of pools of which something differs, in the order of the newer plan; those that it has no more come last."""
    old = {each["pool"]: each for each in before.pools}
    new = {each["pool"]: each for each in now.pools}
    found = [_of_pool(name, old.get(name), new.get(name)) for name in {**new, **old}]
    return [each for each in found if each.figures or each.came or each.went]


def _of_pool(name: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> PoolDifference:
    figures = [] if old is None or new is None else [(each, old[each], new[each]) for each in FIGURES]
    said, says = _reasons(old), _reasons(new)
    return PoolDifference(
        pool=name,
        figures=[each for each in figures if each[1] != each[2]],
        came=[each for each in says if each not in said],
        went=[each for each in said if each not in says],
        new=old is None,
        gone=new is None,
    )


def _reasons(report: dict[str, Any] | None) -> list[str]:
    return [] if report is None else [each["text"] for each in report["reasons"]]
