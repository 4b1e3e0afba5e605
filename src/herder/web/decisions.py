"""Plans as the dashboard shows them: actions grouped by kind and reason, and each pool's desired number with its reasons."""

from dataclasses import dataclass
from typing import Any

from herder.model.fleet.offer import OfferName
from herder.wire.api.resources import PlanView

#: Names of workers told of one group of actions; the rest is a number.
NAMES_MAX = 4
#: Pools of which one plan tells the conclusion.
VERDICTS_MAX = 8


@dataclass(slots=True, kw_only=True)
class Act:
    """Actions of a plan that differ only in the worker."""

    verb: str
    pool: str
    template: str
    kind: str
    text: str
    workers: list[str]
    before: int = 0
    desired: int = 0
    """The pool's number of workers before the plan and after it."""

    @property
    def some(self) -> list[str]:
        return self.workers[:NAMES_MAX]

    @property
    def more(self) -> int:
        return max(0, len(self.workers) - NAMES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was concluded about one pool."""

    pool: str
    before: int
    """Workers that existed or were starting."""
    desired: int
    reasons: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    number: int
    made_at: str
    acts: list[Act]
    verdicts: list[Verdict]
    unplaced: list[tuple[int, str]]
    """(jobs, why no pool can take them)"""
    more: int
    """Pools of which nothing is told here."""


def decision(plan: PlanView) -> Decision:
    acts = _acts(plan.actions)
    told = {act.text for act in acts}
    reports = {report["pool"]: report for report in plan.pools}
    for act in acts:
        report = reports.get(act.pool)
        if report is not None:
            act.before, act.desired = report["actual"] + report["in_flight"], report["desired"]
    return Decision(
        number=plan.number,
        made_at=plan.made_at,
        acts=acts,
        verdicts=[
            Verdict(
                pool=report["pool"],
                before=report["actual"] + report["in_flight"],
                desired=report["desired"],
                reasons=[
                    (each["kind"], each["text"]) for each in report["reasons"] if each["text"] not in told
                ],
            )
            for report in plan.pools[:VERDICTS_MAX]
        ],
        unplaced=[(each["count"], each["reason"]["text"]) for each in plan.unplaced[:VERDICTS_MAX]],
        more=max(0, len(plan.pools) - VERDICTS_MAX),
    )


def _acts(actions: list[dict[str, Any]]) -> list[Act]:
    groups: dict[tuple[str, ...], Act] = {}
    for action in actions:
        making = action["action"] == "create"
        what = (
            action["spec"] if making else {"name": action["worker"], "pool": action["pool"], "template": ""}
        )
        reason, template = action["reason"], _sold_as(what)
        key = (action["action"], what["pool"], template, reason["kind"], reason["text"])
        act = groups.get(key)
        if act is None:
            act = groups[key] = Act(
                verb=action["action"],
                pool=what["pool"],
                template=template,
                kind=reason["kind"],
                text=reason["text"],
                workers=[],
            )
        act.workers.append(what["name"])
    return list(groups.values())


def _sold_as(spec: dict[str, Any]) -> str:
    """Plans from before zones and spot say nothing of them."""
    return str(OfferName(spec["template"], spec.get("zone", ""), spec.get("spot", False)))
