"""Whether what a budget is to limit exists. Called when a person sets a budget by hand and for `apply`; the server's own files may name what comes later, and
`config lint` tells of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.budgets.spec import BudgetSpec, Scope
from herder.model.values.phrases import agree, counted, listed
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


def what_is_removed(before: Sharing, after: Sharing, specs: Mapping[str, BudgetSpec]) -> list[str]:
    """Warnings for whoever replaces sections: the projects and the quotas of users that are not named any more, and which budgets (`specs`, as they are then) limit nothing then."""
    projects = {each.name for each in before.projects} - {each.name for each in after.projects}
    users = {str(each.user) for each in before.users} - {str(each.user) for each in after.users}
    divisions = {each.division for each in before.projects} - {each.division for each in after.projects}
    found = []
    if projects:
        found.append(
            f"{_names('Project', projects)} {agree(len(projects), 'is', 'are')} removed: the section projects is replaced, and the files do not name "
            f"{agree(len(projects), 'it', 'them')}. Add {agree(len(projects), 'it', 'them')} to the files to keep {agree(len(projects), 'it', 'them')}."
        )
    if users:
        found.append(
            f"{_names('User', users)} {agree(len(users), 'has', 'have')} no quota then: the section users is replaced, and the files do not name "
            f"{agree(len(users), 'it', 'them')}. Add {agree(len(users), 'it', 'them')} to the files to keep the {agree(len(users), 'quota', 'quotas')}."
        )
    gone = {Scope.PROJECT: projects, Scope.DIVISION: divisions}
    idle = {name for name, each in specs.items() if each.subject in gone.get(each.scope, ())}
    if idle:
        found.append(
            f"{_names('Budget', idle)} {agree(len(idle), 'limits', 'limit')} nothing then: what {agree(len(idle), 'it is', 'they are')} for does not exist. "
            f"Delete {agree(len(idle), 'it', 'them')} with `herder budget delete NAME`, or keep the {agree(len(idle), 'project', 'projects')}."
        )
    return found


def _names(noun: str, names: Iterable[str]) -> str:
    """`Projects alpha and client`, shortened where there are many."""
    known = sorted(names)
    more = [f"{len(known) - NAMES_SHOWN:,} more"] if len(known) > NAMES_SHOWN else []
    return f"{noun if len(known) == 1 else f'{noun}s'} {listed([*known[:NAMES_SHOWN], *more])}"


def what_it_limits(spec: BudgetSpec) -> str:
    """A sentence for whoever has created it."""
    if spec.scope is Scope.GROUP:
        return (
            "It is a group: it limits only the budgets below it. "
            "Write --set scope=pool (or project, user, division) to limit something itself."
        )
    return f"It limits {spec.scope} {spec.subject}."
