"""What a person should know before workers are added: the rows of the dry run of `herder pool scale`. Changes nothing and calls nobody.

Called by `adding`, after it has checked that the order is allowed. What is not known has no verdict.
"""

from collections.abc import Sequence
from decimal import Decimal

from herder.control.budgets.leasing import budget_of_pool
from herder.control.budgets.outlook import of_actions
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe
from herder.control.pools import capacity
from herder.decide.scaling.snapshot import PoolView, snapshot_of
from herder.model.fleet.offer import FailureCause, Offer
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.plan import CreateWorker
from herder.model.values.money import PicoUsd, format_usd
from herder.model.values.phrases import counted
from herder.model.values.times import span
from herder.settings.syntax.durations import format_duration
from herder.wire.api.outlooks import BudgetOutlook
from herder.wire.api.resources import SafetyCheck

HOURS_OF_A_MONTH = 730
_NO_CAPACITY = (FailureCause.OUT_OF_CAPACITY, FailureCause.QUOTA_EXCEEDED)


def checks_of_adding(
    core: Core,
    pool: PoolSpec,
    offers: Sequence[Offer],
    actions: Sequence[CreateWorker],
    ttl_s: float | None,
    now_ms: int,
) -> list[SafetyCheck]:
    specs = [each.spec for each in actions]
    view = next(
        view for view in snapshot_of(observe(core.state, now_ms), now_ms).pools if view.spec.name == pool.name
    )
    driver = specs[0].driver  # workers of one order have one template
    return [
        _failed(view, offers, now_ms) or capacity.capacity(core, driver, specs, now_ms),
        capacity.network(core, driver, specs, now_ms),
        _limits(view, pool, len(offers)),
        _budget(core, actions, ttl_s, now_ms),
        _time_to_live(pool, ttl_s),
    ]


def _failed(view: PoolView, offers: Sequence[Offer], now_ms: int) -> SafetyCheck | None:
    """What became of the last creations from the same offers, where no capacity was found since the last success."""
    wanted = {offer.id for offer in offers}
    for memory in view.memories:
        if memory is None or memory.key.name not in wanted or not memory.failed_at_ms:
            continue
        if memory.cause in _NO_CAPACITY:
            ago = span(now_ms - memory.failed_at_ms)
            detail = f"The last creation from template {memory.key.template} found no capacity, {ago} ago."
            return SafetyCheck(name="capacity", passed=False, detail=detail)
    return None


def _limits(view: PoolView, pool: PoolSpec, more: int) -> SafetyCheck:
    after, most = len(view.workers) + more, pool.size.max_workers
    detail = f"{after} of {most} workers of pool {pool.name} would exist (max_workers)."
    return SafetyCheck(name="limits", passed=after <= most, detail=detail)


def _budget(core: Core, actions: Sequence[CreateWorker], ttl_s: float | None, now_ms: int) -> SafetyCheck:
    """The first quantum is paid, or the order would have been refused; this is whether budgets last with these workers."""
    hourly = PicoUsd(sum(each.spec.price_pico_per_hour for each in actions))
    hours = HOURS_OF_A_MONTH if ttl_s is None else ttl_s / 3600
    until = "in a month" if ttl_s is None else f"in {format_duration(ttl_s)}"
    whole = PicoUsd(int(hourly * int(hours * 3600) // 3600))
    cost = f"{counted(len(actions), 'worker')} would cost {format_usd(hourly, 2)}/h, {format_usd(whole, 2)} {until}."
    pool = actions[0].spec.pool
    budget = budget_of_pool(core, pool)
    paying = set[str]() if budget is None else {each.spec.name for each in core.budgets.chain((budget,))}
    found = [each for each in of_actions(core, actions, now_ms) if each.budget in paying]
    if not found:
        return SafetyCheck(name="budget", passed=None, detail=f"{cost} No budget limits pool {pool}.")
    short = [each for each in found if not each.holds_most and not _pays(each, ttl_s)]
    told = " ".join(each.text for each in short or found)
    return SafetyCheck(name="budget", passed=not short, detail=f"{cost} {told}")


def _pays(outlook: BudgetOutlook, ttl_s: float | None) -> bool:
    """For as long as the new workers live."""
    if ttl_s is None:
        return False
    return Decimal(outlook.per_hour_most_usd) * int(ttl_s) <= Decimal(outlook.left_usd) * 3600


def _time_to_live(pool: PoolSpec, ttl_s: float | None) -> SafetyCheck:
    if ttl_s is not None:
        detail = f"The workers end after {format_duration(ttl_s)}."
        return SafetyCheck(name="time to live", passed=True, detail=detail)
    detail = f"Pool {pool.name} has no ttl: the workers stay until they are removed. Set one with --ttl."
    return SafetyCheck(name="time to live", passed=None, detail=detail)
