"""The name of a field of the API as the person typed it: the option of the command that runs, or its argument. Used for errors of the server."""

import re
from typing import Any

from herder.cli.input.job_rows import written

_FIELD = re.compile(r"([a-z_]+)((?:\[[0-9]+\])?)(?:\.(.+))?", re.DOTALL)
#: Where the name is not that of the option with an underscore, an `s` or `_s` more.
_OTHERS = {"q": "search", "timezone": "time-zone", "container": "pull"}


def as_typed(field: str, command: Any) -> str:
    """`secrets[0].name` is `--secret`, `env.A` is `--env A`. A field that the command has no option for stays as it is."""
    parts = _FIELD.fullmatch(written(field))
    if parts is None or command is None:
        return field
    first, index, rest = parts.groups()
    names = {_OTHERS.get(first, first), first, first.removesuffix("_s"), first.removesuffix("s")}
    for param in command.params:
        typed = next(
            (each for each in param.opts if each.lstrip("-").replace("-", "_") in _under(names)), None
        )
        if typed is not None and param.param_type_name == "argument":
            return str(param.metavar or param.name).upper().strip("[]")
        if typed is not None:
            return (
                f"{typed} {rest}" if rest and not index and first in ("env", "resource", "select") else typed
            )
    return field


def _under(names: set[str]) -> set[str]:
    return {name.replace("-", "_") for name in names}
