"""Whether what a budget is to limit exists. Called when a person sets a budget by hand and for `apply`; the server's own files may name what comes later, and
`config lint` tells of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.budgets.spec import BudgetSpec, Scope
from herder.model.values.phrases import counted
from herder.model.work.sharing import Sharing

#: Names in a hint, at most.
NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What the same request creates."""

    pools: Iterable[str]
    sharing: Sharing


def check_subjects(core: Core, specs: Mapping[str, BudgetSpec], beside: Beside | None = None) -> None:
    """Of budgets that are new or get another subject. Raises Invalid with the names that are known. Organisations, events and groups are only names."""
    known = _known(core, beside)
    missing = [
        spec
        for name, spec in specs.items()
        if spec.scope in known
        and spec.subject not in known[spec.scope]
        and ((budget := core.budgets.budgets.get(name)) is None or _target(budget.spec) != _target(spec))
    ]
    if not missing:
        return
    first, scope = missing[0], missing[0].scope
    shown = sorted(known[scope])[:NAMES_SHOWN]
    more = ", …" if len(known[scope]) > len(shown) else ""
    names = f"Known: {', '.join(shown)}{more}." if shown else f"No {scope} is known yet."
    others = [each.name for each in missing[1:]]
    also = ""
    if others:
        rest = f" and {len(others) - NAMES_SHOWN:,} more" if len(others) > NAMES_SHOWN else ""
        also = f" The same is true of {counted(len(others), 'other budget')}: {', '.join(others[:NAMES_SHOWN])}{rest}."
    raise Invalid(
        f"There is no {scope} {first.subject[:100]!r}, so budget {first.name} would limit nothing.{also}",
        field="settings.of" if beside is None else f"budgets[{first.name}].of",
        hint=f"{names} Write `of`, or allow it with `ahead` (--ahead) if the {scope} comes later."
        + ("" if beside is None else " Nothing was applied."),
    )


def _target(spec: BudgetSpec) -> tuple[Scope, str]:
    return spec.scope, spec.subject


def _known(core: Core, beside: Beside | None) -> dict[Scope, set[str]]:
    accounts = core.ledger.accounts
    sharing = core.state.sharing if beside is None else beside.sharing
    return {
        Scope.POOL: {str(name) for name in core.state.pools} | set(() if beside is None else beside.pools),
        Scope.USER: {str(name) for name in core.directory.users}
        | {str(user) for user, _, _ in accounts}
        | (set() if beside is None else {str(each.user) for each in sharing.users}),
        Scope.PROJECT: {each.name for each in sharing.projects}
        | {str(project) for _, project, _ in accounts if project}
        | {name for names in core.state.projects.values() for name in names},
        Scope.DIVISION: {each.division for each in sharing.projects if each.division},
    }


def what_it_limits(spec: BudgetSpec) -> str:
    """A sentence for whoever has created it."""
    if spec.scope is Scope.GROUP:
        return (
            "It is a group: it limits only the budgets below it. "
            "Write --set scope=pool (or project, user, division) to limit something itself."
        )
    return f"It limits {spec.scope} {spec.subject}."
