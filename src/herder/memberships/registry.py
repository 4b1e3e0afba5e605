"""Finds memberships by name. Called by the readers of settings; keeps none.

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

from herder.model.membership import Membership

GROUP = "herder.memberships"


class UnknownMembership(LookupError):
    """There is none of this name; the text names the ones there are."""


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
    hint = f"did you mean {close[0]!r}? There" if close else "there"
    raise UnknownMembership(f"there is no membership {name[:50]!r}; {hint} are {', '.join(memberships())}")


def _offered(name: str, where: str, load_module: Callable[[], Any]) -> Membership:
    try:
        offered: Membership = load_module().MEMBERSHIP
    except (ImportError, AttributeError) as error:
        raise UnknownMembership(f"membership {name!r} ({where}) cannot be used: {error}") from error
    if offered.name != name:
        raise UnknownMembership(
            f"membership {name!r} ({where}) cannot be used: it is named {offered.name!r} there; both names must be the same"
        )
    return offered


def _built_in() -> list[str]:
    from herder import memberships as package

    return [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
