"""Finds memberships by name. Called by the readers of settings; keeps none in memory.

Built in are the folders of this package; others come by entry points of the group `herder.memberships` that name a module or object
with `MEMBERSHIP`.
"""

import difflib
import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from herder.model.fleet.membership import Membership
from herder.model.values.phrases import clause

GROUP = "herder.memberships"
_OTHERS = "Correct the package of the membership, or use another membership."


class UnknownMembership(LookupError):
    """No membership of this name can be used."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


@cache
def memberships() -> tuple[str, ...]:
    """The names that `load` knows, in order."""
    return tuple(sorted({*_built_in(), *(point.name for point in entry_points(group=GROUP))}))


@cache
def load(name: str) -> Membership:
    """Raises UnknownMembership."""
    if name in _built_in():
        where = f"herder.memberships.{name}"
        return _offered(name, where, lambda: import_module(where))
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _offered(name, point.value, point.load)
    close = difflib.get_close_matches(name, memberships(), n=1)
    near = f"Did you mean {close[0]!r}? " if close else ""
    raise UnknownMembership(
        f"There is no membership {name[:50]!r}.", f"{near}Memberships are {', '.join(memberships())}."
    )


def offer(name: str, what: str) -> Any:
    """What its module or object has under the name `what`, as `make_cluster`; None where it has nothing. Raises UnknownMembership."""
    load(name)
    if name in _built_in():
        return getattr(import_module(f"herder.memberships.{name}"), what, None)
    point = next(point for point in entry_points(group=GROUP) if point.name == name)
    return getattr(point.load(), what, None)


def _offered(name: str, where: str, load_module: Callable[[], Any]) -> Membership:
    try:
        offered: Membership = load_module().MEMBERSHIP
    except (ImportError, AttributeError) as error:
        raise UnknownMembership(
            f"Membership {name!r} ({where}) cannot be used: {clause(error)}.", _OTHERS
        ) from error
    if offered.name != name:
        raise UnknownMembership(
            f"Membership {name!r} ({where}) cannot be used: its MEMBERSHIP has the name {offered.name!r}, which must be the same.",
            _OTHERS,
        )
    return offered


def _built_in() -> list[str]:
    from herder import memberships as package

    return [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
