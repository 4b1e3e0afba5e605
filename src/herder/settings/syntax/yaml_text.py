"""YAML text to values with line and column. The only module that knows the YAML library; called by `load`.

Works on composed nodes, not on constructed objects: nothing in a file can make an object, and every scalar keeps its text.
"""

import re
from typing import Any

from herder.model.values.phrases import clause
from herder.settings.syntax.problems import Place, Problem, SettingsError
from herder.settings.syntax.values import DEPTH_MAX, VALUES_MAX, Entry, Listing, Scalar, Table, Value, join

#: Half of a pair of surrogates, which is no character; it can neither be sent nor printed.
_HALF = re.compile("[\ud800-\udfff]")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE = "<<"
#: Brackets that are open at one place. The library takes the square of it in time, and many frames of the stack for each.
BRACKETS_MAX = 200
_BRACKETS = re.compile(r"[\[\]{}]")


def too_deep(text: str) -> bool:
    """Whether a text opens so many brackets that reading it as YAML would take for ever."""
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        if depth > BRACKETS_MAX:
            return True
    return False


def read_yaml(text: str, file: str, *, values_max: int = VALUES_MAX) -> list[Value]:
    """Every document of the text that is not empty. Raises SettingsError with all problems."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    if too_deep(text):
        raise SettingsError([_syntax(Place(file=file), "The data is nested too deeply.")])
    try:
        nodes = [node for node in yaml.compose_all(text) if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file=file, line=mark.line + 1, column=mark.column + 1) if mark else Place(file=file)
        message = f"This is not valid YAML: {clause(error.problem or error.context)}."
        raise SettingsError([_syntax(place, message)]) from None
    except RecursionError:
        raise SettingsError([_syntax(Place(file=file), "The data is nested too deeply.")]) from None
    except (YAMLError, ValueError, LookupError, ArithmeticError, TypeError) as error:
        message = f"this is not YAML: {(str(error).splitlines() or ['it cannot be read'])[0]}"
        raise SettingsError([_syntax(Place(file=file), message)]) from None
    reader = _Reader(file, values_max)
    values = [reader.value(node, "", 0) for node in nodes]
    if reader.problems:
        raise SettingsError(reader.problems)
    return [value for value in values if not (isinstance(value, Scalar) and value.text is None)]


def _syntax(place: Place, message: str) -> Problem:
    remedy = (
        "Check the indentation (spaces, no tabs), the colons and the quotes on this line and the one before."
    )
    return Problem(place=place, key="", message=message, remedy=remedy)


class _Reader:
    def __init__(self, file: str, values_max: int) -> None:
        self.file = file
        self._most = values_max
        self.problems: list[Problem] = []
        self._count = 0

    def value(self, node: Any, key: str, depth: int) -> Value:
        place = self._place(node)
        self._count += 1
        if self._count > self._most or depth > DEPTH_MAX:
            limit = f"{self._most:,} values" if depth <= DEPTH_MAX else f"{DEPTH_MAX} levels of nesting"
            problem = Problem(
                place=place,
                key="",
                message=f"The file has more than {limit}.",
                remedy="Remove aliases (*name) that contain themselves or one another, or use several files.",
            )
            raise SettingsError([*self.problems, problem])
        if node.id == "mapping":
            return Table(place=place, key=key, entries=self._entries(node, key, depth))
        if node.id == "sequence":
            items = tuple(self.value(item, join(key, n), depth + 1) for n, item in enumerate(node.value))
            return Listing(place=place, key=key, items=items)
        plain = node.style is None or node.style == ""
        half = None if node.value.isascii() else _HALF.search(node.value)
        if half is not None:
            self._problem(
                place,
                key,
                f"\\u{ord(half[0]):04x} is not a character.",
                "Write the character itself, or \\U and its eight digits.",
            )
        return Scalar(
            place=place, key=key, text=None if plain and node.value in _NULLS else node.value, bare=plain
        )

    def _entries(self, node: Any, key: str, depth: int) -> tuple[Entry, ...]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for name_node, value_node in node.value:
            place = self._place(name_node)
            if name_node.id != "scalar":
                self._problem(place, key, "A name must be text.", "Write `name: value`.")
                continue
            name = str(name_node.value)
            if name == _MERGE and name_node.style in (None, ""):
                self._merge(merged, value_node, key, depth)
                continue
            if name in own:
                first = own[name].place.line
                self._problem(
                    place,
                    join(key, name),
                    f"The name occurs twice, first on line {first}.",
                    "Remove one of the two.",
                )
                continue
            value = self.value(value_node, join(key, name), depth + 1)
            own[name] = Entry(place=place, name=name, value=value)
        return tuple(({**merged, **own}).values())

    def _merge(self, merged: dict[str, Entry], node: Any, key: str, depth: int) -> None:
        sources = node.value if node.id == "sequence" else [node]
        for source in sources:
            value = self.value(source, key, depth + 1)
            if not isinstance(value, Table):
                self._problem(self._place(source), key, "Only a mapping can be merged.", "Write `<<: *name`.")
                continue
            for entry in value.entries:
                merged.setdefault(entry.name, entry)

    def _place(self, node: Any) -> Place:
        mark = node.start_mark
        return Place(file=self.file, line=mark.line + 1, column=mark.column + 1)

    def _problem(self, place: Place, key: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(place=place, key=key, message=message, remedy=remedy))
