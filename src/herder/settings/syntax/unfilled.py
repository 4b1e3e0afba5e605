"""Problems of values that an import left for a person to write. Called by `load` and the imports; pure.

A file that has one cannot be used, so that nothing acts on a value that nobody has written.
"""

from collections.abc import Iterable, Iterator, Sequence

from herder.model.values.unfilled import BEGIN, END, is_unfilled
from herder.settings.syntax.problems import Problem
from herder.settings.syntax.values import Listing, Scalar, Table, Value

_STILL = "The value is still to be written"


def is_about_unfilled(problem: Problem) -> bool:
    return problem.message.startswith(_STILL)


def with_unfilled(problems: Sequence[Problem], documents: Iterable[Value]) -> list[Problem]:
    """`problems` and one for each value that is to be written, in place of what else is said of it."""
    found = [
        Problem(
            place=each.place,
            key=each.key,
            message=f"{_STILL}: {each.text[len(BEGIN) : -len(END)]}.",
            remedy="Replace the text with the value.",
        )
        for value in documents
        for each in _texts(value)
        if each.text is not None and is_unfilled(each.text)
    ]
    places = {each.place for each in found}
    return [*(each for each in problems if each.place not in places and BEGIN not in each.message), *found]


def _texts(value: Value) -> Iterator[Scalar]:
    if isinstance(value, Scalar):
        yield value
    elif isinstance(value, Listing):
        for item in value.items:
            yield from _texts(item)
    else:
        assert isinstance(value, Table)
        for entry in value.entries:
            yield from _texts(entry.value)
