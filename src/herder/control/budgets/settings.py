"""The settings of budgets: set by `apply`, at the start and by hand. As with pools, budgets that a file does not name are not changed.
One that is being deleted is kept when it is set again."""

from collections.abc import Mapping
from typing import Any

from herder.control.budgets.deleting import kept
from herder.control.budgets.words import amount, amounts_in
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.budget_rows import put_rows
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.leases import BudgetError, BudgetInUse
from herder.ledger.budgets.spec import BudgetSpec
from herder.model.stored.changes import Changes
from herder.settings import SettingsError
from herder.settings.sections.budgets import budget_to_plain, budgets_from_plain

#: Of one server: all stay in memory.
BUDGETS_MAX = 10_000

Differences = dict[str, tuple[Any, Any]]


def wanted(core: Core, given: Mapping[str, Any], now_ms: int) -> dict[str, BudgetSpec]:
    """Those of `given` that differ from what is in force, in an order in which they can be put in force. Raises Refused; nothing is changed."""
    found, in_use = _wanted(core, given, now_ms)
    for name, why in in_use.items():
        raise Conflict(why, field=f"budgets[{name}]", hint="Nothing was applied.")
    return found


def wanted_at_start(
    core: Core, given: Mapping[str, Any], now_ms: int
) -> tuple[dict[str, BudgetSpec], list[str]]:
    """The same, without those that were spent or leased too much for it: they stay as they are. With the reason of each. Raises Refused."""
    rest, reasons = dict(given), list[str]()
    while True:  # without them the others must be right, too: no circle, the same units
        found, in_use = _wanted(core, rest, now_ms)
        if not in_use:
            return found, reasons
        reasons += in_use.values()
        rest = {name: each for name, each in rest.items() if name not in in_use}


def _wanted(
    core: Core, given: Mapping[str, Any], now_ms: int
) -> tuple[dict[str, BudgetSpec], dict[str, str]]:
    """And why some of them cannot be changed as long as they are in use, by name. Raises Refused."""
    if not given:
        return {}, {}
    known = {name: each.spec for name, each in core.budgets.budgets.items()}
    try:
        specs = budgets_from_plain(given, known)
    except SettingsError as error:
        raise Invalid(str(error), field="budgets", hint="Nothing was applied.") from None
    if len({*known, *specs}) > BUDGETS_MAX:
        raise Invalid(f"There would be more than {BUDGETS_MAX:,} budgets, the maximum.", field="budgets")
    leaving = {name for name, each in core.budgets.budgets.items() if each.deleting}
    found = {name: spec for name, spec in specs.items() if known.get(name) != spec or name in leaving}
    in_use: dict[str, str] = {}
    for name, spec in found.items():
        if spec.parent in leaving and spec.parent not in specs:
            raise Conflict(
                f"Budget {spec.parent}, the parent of budget {name}, is being deleted.",
                field=f"budgets[{name}].parent",
                hint=f"Write another parent, or keep it: `herder budget keep {spec.parent}`.",
            )
        budget = core.budgets.budgets.get(name)
        if budget is None:
            continue
        try:
            core.budgets.check_change(budget, spec, now_ms)
        except BudgetInUse as error:
            in_use[name] = amounts_in(error, spec.unit)
        except BudgetError as error:
            raise Conflict(
                amounts_in(error, spec.unit), field=f"budgets[{name}]", hint="Nothing was applied."
            ) from None
    return found, in_use


def differences(core: Core, new: Mapping[str, BudgetSpec]) -> Differences:
    """By path, as in `budgets.burst.limit`: what was and what will be."""
    found: Differences = {}
    for name, spec in new.items():
        budget = core.budgets.budgets.get(name)
        before = budget_to_plain(BudgetSpec(name=name) if budget is None else budget.spec)
        for key, after in budget_to_plain(spec).items():
            if before[key] != after:
                found[f"budgets.{name}.{key}"] = (None if budget is None else before[key], after)
        if budget is not None and budget.deleting:
            found[f"budgets.{name}.deleting"] = (True, False)
    return found


def change(core: Core, changes: Changes, new: Mapping[str, BudgetSpec], now_ms: int, *, actor: str) -> int:
    """Put in force what `wanted` has checked, each with its event; answers how many."""
    for name, spec in new.items():
        verb = "updated" if name in core.budgets.budgets else "created"
        fields = differences(core, {name: spec})
        known = core.budgets.budgets.get(name)
        limits = _limits(known, spec)
        if known is not None and known.deleting:
            kept(core, known, changes, now_ms, actor=actor)
        core.budgets.put(spec, now_ms)
        record_event(
            core.state, changes, now_ms, f"budget.{verb}", f"budget/{name}", f"Budget {name} was {verb}{limits}.",
            actor=actor, data={"fields": fields},
        )  # fmt: skip
    put_rows(core.budgets, changes, now_ms)
    return len(new)


def _limits(known: Budget | None, spec: BudgetSpec) -> str:
    if known is None or known.spec.limit == spec.limit:
        return ""
    before, after = (
        "no limit" if each is None else amount(each, spec.unit) for each in (known.spec.limit, spec.limit)
    )
    return f": its limit is {after} in place of {before}"
