"""Offers that an action of an alert rules out: while it is in force a pool creates spot workers only. Pools without offers of spot are not changed. Called by the planner."""

from herder.decide.scaling import limits
from herder.decide.scaling.limits import GrowthLimit
from herder.decide.scaling.snapshot import PoolView
from herder.model.planning.budgets import SpotOnly
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.times import iso


def limited(view: PoolView, growth_limit: GrowthLimit) -> GrowthLimit:
    found = in_force(view)
    if found is None:
        return growth_limit
    reason = _reason(view, found)
    return limits.without(growth_limit, tuple(None if offer.spot else reason for offer in view.templates))


def notes(view: PoolView) -> tuple[Reason, ...]:
    """What the plan says of the pool."""
    found = in_force(view)
    return () if found is None else (_reason(view, found),)


def in_force(view: PoolView) -> SpotOnly | None:
    """None as well where all offers of the pool are spot, or none is."""
    return view.spot_only if len({offer.spot for offer in view.templates}) == 2 else None


def _reason(view: PoolView, found: SpotOnly) -> Reason:
    until = "until the use falls" if found.until_ms is None else f"until {iso(found.until_ms)} at the latest"
    text = f"Pool {view.spec.name} creates only spot workers because of {found.alert} ({found.policy}, spot only), {until}."
    evidence = (
        ("alert", found.alert),
        ("policy", found.policy),
        ("action", "spot_only"),
        ("flips", f"less use, or a higher limit: herder alert show {found.alert}"),
    )
    return Reason(kind=ReasonKind.ALERT, text=text, evidence=evidence)
