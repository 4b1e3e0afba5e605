"""Finds memberships by name. Called by the readers of settings; keeps none.

Built in are the folders of this package; others come by entry points of the group `herder.memberships` that name a module or object
with `MEMBERSHIP`.
"""

import difflib
import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

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
        found: Membership = import_module(f"herder.memberships.{name}").MEMBERSHIP
        return found
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                offered: Membership = point.load().MEMBERSHIP
            except (ImportError, AttributeError) as error:
                raise UnknownMembership(
                    f"membership {name!r} ({point.value}) cannot be used: {error}"
                ) from error
            return offered
    close = difflib.get_close_matches(name, memberships(), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UnknownMembership(
        f"there is no membership {name[:50]!r}; {hint}there are {', '.join(memberships())}"
    )


def _built_in() -> list[str]:
    from herder import memberships as package

    return [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]
