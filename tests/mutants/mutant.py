"""A mutant: the product without one guard, replaced by name for as long as it runs, and the world in which it is looked for."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from types import FunctionType
from typing import Any

from herder.simulate.chaos.faults.kinds import Trouble
from herder.simulate.chaos.fleet import Fleet

#: Odds of a world in which nothing goes wrong by itself.
NO_FAULTS = {each.name: 0.0 for each in fields(Trouble)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Where a mutant is looked for: worlds of these seeds, one after the other, each with faults for `days`."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    days: float = 0.05
    workers: int = 12
    jobs_per_day: int = 1_500
    intensity: float = 15.0
    without: frozenset[str] = frozenset()
    cluster: bool = False
    odds: Mapping[str, float] = field(default_factory=dict)
    core_settings: Mapping[str, Any] = field(default_factory=dict)
    fleet: Callable[[Fleet], Fleet] = lambda fleet: fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """`name`: MODULE:NAME or MODULE:CLASS.NAME. `by`: makes what takes its place of what is there."""

    name: str
    by: Callable[[Any], Any]

    def target(self) -> tuple[Any, str]:
        """The owner of the name. Raises LookupError, which says what is gone."""
        module_name, _, path = self.name.partition(":")
        try:
            owner: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise LookupError(f"The guard {self.name} is gone: there is no module {module_name}.") from error
        *classes, last = path.split(".")
        for each in classes:
            if not hasattr(owner, each):
                raise LookupError(f"The guard {self.name} is gone: {module_name} has no {each}.")
            owner = getattr(owner, each)
        if last not in vars(owner):
            raise LookupError(f"The guard {self.name} is gone: {owner.__name__} has no {last}.")
        return owner, last


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    guard: str
    """What is removed, in a few words: its name in the table."""
    removes: str
    """The same as a sentence: what the product does not do any more."""
    rules: tuple[str, ...]
    """The rules of the world of which one should notice it."""
    replaced: tuple[Replaced, ...]
    look: Look = Look()


def replaced(name: str, by: Callable[[Any], Any]) -> Replaced:
    return Replaced(name=name, by=by)


def constant(name: str, value: object) -> Replaced:
    return Replaced(name=name, by=lambda _: value)


def answers(name: str, make: Callable[[], Any]) -> Replaced:
    """Whatever a function is asked, it answers this."""
    return Replaced(name=name, by=lambda _: lambda *_args, **_named: make())


def answers_later(name: str, make: Callable[[], Any]) -> Replaced:
    """The same of a coroutine."""

    def by(_before: Any) -> Any:
        async def answer(*_args: Any, **_named: Any) -> Any:
            return make()

        return answer

    return Replaced(name=name, by=by)


@contextmanager
def without_guard(mutant: Mutant) -> Iterator[None]:
    """The product as the mutant has it; as it was, afterwards."""
    with ExitStack() as undo:
        for each in mutant.replaced:
            owner, name = each.target()
            before = vars(owner)[name]
            after = each.by(before)
            for place in _places(owner, name, before):
                setattr(place, name, after)
                undo.callback(setattr, place, name, before)
        yield


def _places(owner: Any, name: str, value: object) -> list[Any]:
    """Its owner, and each module that has imported the function from there."""
    if not isinstance(value, FunctionType) or isinstance(owner, type):
        return [owner]
    importers = [
        module
        for known, module in list(sys.modules.items())
        if known.partition(".")[0] == "herder" and module is not owner and vars(module).get(name) is value
    ]
    return [owner, *importers]
