"""The minimum trigger: a pool that has fewer workers than its minimum asks for the rest, of its cheapest template.

Called by the planner. Workers in flight count, workers that leave do not. It never looks at demand.
"""

from herder.decide.scaling.scene import PoolView
from herder.decide.scaling.wish import Wish
from herder.model.plan import Reason, ReasonKind


def ask(view: PoolView, leaving: int) -> Wish | None:
    """`leaving`: how many more workers this plan lets go."""
    remain = len(view.staying) - leaving
    missing = view.spec.min_workers - remain
    if missing <= 0 or not view.spec.templates:
        return None
    cheapest = min(view.templates, key=lambda template: (template.price_pico_per_hour, template.name))
    text = f"pool {view.spec.name} has {remain} workers, there or coming, and wants at least {view.spec.min_workers}"
    return Wish(
        pool=view.spec.name,
        template=cheapest.name,
        count=missing,
        reason=Reason(
            kind=ReasonKind.BELOW_MINIMUM,
            text=text,
            evidence=(("workers", remain), ("min_workers", view.spec.min_workers)),
        ),
    )
