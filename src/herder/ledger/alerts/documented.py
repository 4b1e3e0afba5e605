"""The policies that hold unless settings say otherwise: those of Cortex' `cost-tracking.json`, and pool budgets at 80 %. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from herder.ledger.alerts.policies import Action, Level, Once, Policy, Threshold
from herder.ledger.lines import UNITS
from herder.model.values.money import PICO_PER_USD

GM, COO, PRIME = "division_gm", "coo", "cortex_prime"
CHAIN = (GM, COO, PRIME)
CPU_HOUR = UNITS["cpu"].base


def _threshold(
    level: Level, at: int, *actions: Action, to: tuple[str, ...] = (), advice: tuple[str, ...] = ()
) -> Threshold:
    told = (Action.NOTIFY,) if to else ()
    return Threshold(level=level, at=at, actions=frozenset((*told, *actions)), recipients=to, advice=advice)


TOKEN_BUDGET = Policy(
    id="token-budget-warning", scope="division", resource="tokens", chain=CHAIN,
    thresholds=(
        _threshold(Level.INFO, 50),
        _threshold(Level.WARNING, 75, to=(GM,), advice=("See who uses it: `herder cost breakdown`.",)),
        _threshold(Level.CRITICAL, 90, Action.DEFER_LOW_PRIORITY, to=(GM, COO), advice=("Cache contexts that repeat.",)),
        _threshold(Level.EMERGENCY, 100, Action.DEFER_LOW_PRIORITY, Action.STOP_NON_CRITICAL, to=(GM, COO), advice=("Ask for a larger budget: `herder budget request {name} --amount AMOUNT --reason TEXT`.",)),
    ),
)  # fmt: skip
COMPUTE = Policy(
    id="compute-overallocation", scope="organization", resource="cpu", absolute=True, chain=(COO, PRIME),
    thresholds=(
        _threshold(Level.WARNING, 200 * CPU_HOUR, to=(COO, "infrastructure_gm"), advice=("See which projects use it: `herder cost breakdown --by project,user`.",)),
        _threshold(Level.CRITICAL, 230 * CPU_HOUR, Action.THROTTLE, to=(COO, "infrastructure_gm")),
        _threshold(Level.EMERGENCY, 250 * CPU_HOUR, Action.THROTTLE, to=(COO, "infrastructure_gm")),
    ),
)  # fmt: skip
STORAGE = Policy(
    id="storage-capacity", scope="tier", resource="storage", once=Once.EPISODE, chain=("infrastructure_gm", COO, PRIME),
    thresholds=(
        _threshold(Level.WARNING, 80, to=("infrastructure_gm",), advice=("Look for what can be deleted or moved to a colder tier.",)),
        _threshold(Level.CRITICAL, 90, to=("infrastructure_gm", COO), advice=("Apply the rules of retention, move what is unread to a colder tier, and compress.",)),
        _threshold(Level.EMERGENCY, 95, to=("infrastructure_gm", COO), advice=("Delete temporary files and logs, and ask for more storage.",)),
    ),
)  # fmt: skip
NETWORK = Policy(
    id="network-spike", scope="organization", resource="network.egress", once=Once.EPISODE, chain=(COO, PRIME),
    thresholds=(
        _threshold(Level.CRITICAL, 300, to=(COO, "security_master", "infrastructure_gm"), advice=("Look at the ten largest sources, at signs of an intrusion, and at what was deployed.",)),
    ),
)  # fmt: skip
VARIANCE = Policy(
    id="cost-variance", scope="division", resource="usd", chain=CHAIN,
    thresholds=(
        _threshold(Level.INFO, 110),
        _threshold(Level.WARNING, 120, to=(GM,), advice=("See which groups explain it: `herder cost why`.",)),
        _threshold(Level.CRITICAL, 135, to=(GM, COO)),
    ),
)  # fmt: skip
OPPORTUNITY = Policy(
    id="optimization-opportunity", scope="organization", resource="usd", absolute=True, once=Once.EPISODE, chain=(COO, PRIME),
    thresholds=(
        _threshold(Level.INFO, 10 * PICO_PER_USD, to=("resource_manager",), advice=("See what would be saved: `herder cost recommend`.",)),
        _threshold(Level.WARNING, 25 * PICO_PER_USD, to=("resource_manager", COO)),
        _threshold(Level.CRITICAL, 50 * PICO_PER_USD, to=("resource_manager", COO)),
    ),
)  # fmt: skip
POOL_BUDGET = Policy(
    id="pool-budget", scope="pool", resource="usd", chain=("resource_manager", COO),
    thresholds=(
        _threshold(Level.WARNING, 80, Action.SPOT_ONLY, to=("resource_manager",)),
        _threshold(Level.EMERGENCY, 100, Action.SPOT_ONLY, to=("resource_manager", COO)),
    ),
)  # fmt: skip

#: Of budgets in dollars that are not of a pool.
BUDGET = replace(
    TOKEN_BUDGET, id="budget", scope="budget", resource="usd",
    thresholds=tuple(
        replace(each, actions=each.actions | {Action.SPOT_ONLY}) if each.level >= Level.CRITICAL else each
        for each in TOKEN_BUDGET.thresholds
    ),
)  # fmt: skip

DOCUMENTED = (TOKEN_BUDGET, COMPUTE, STORAGE, NETWORK, VARIANCE, OPPORTUNITY, POOL_BUDGET, BUDGET)

#: In what thresholds of an absolute policy are written: core-hours, dollars.
_WRITTEN_IN = {COMPUTE.id: CPU_HOUR, OPPORTUNITY.id: PICO_PER_USD}


def with_thresholds(policy: Policy, at: Mapping[str, int]) -> Policy:
    """`at`: by the names of levels, in percent, core-hours or dollars; a level that is not named stays. Raises ValueError for a level that the policy does not have, and for
    thresholds that are not in order."""
    known = {each.level.word for each in policy.thresholds}
    for word in at:
        if word not in known:
            raise ValueError(
                f"alert {policy.id} has no level {word!r}; name one of {', '.join(sorted(known))}"
            )
    unit = _WRITTEN_IN.get(policy.id, 1)
    thresholds = (
        replace(each, at=at[each.level.word] * unit) if each.level.word in at else each
        for each in policy.thresholds
    )
    return replace(policy, thresholds=tuple(thresholds))
