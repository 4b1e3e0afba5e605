"""The versions of the JSON in rows, and which older ones can be read.

Called wherever such a text is written or read. A text without a version is of version 1: so is all that was written before there were
any. Whoever changes a form raises its number here, and either adds the step that makes the older form into the newer one or takes
the older number out of what is read. Nothing here knows what is in a form.
"""

from collections.abc import Mapping
from typing import Any, Final

KEY: Final = "version"

#: By kind: the version that is written.
WRITTEN: Final[Mapping[str, int]] = {
    "pool": 2,  # pools.spec
    "sharing": 1,  # meta, key "sharing"
    "budget": 1,  # budgets.spec
    "plan": 5,  # plans.body, the version in a column; words of reasons count, for plans are made again byte for byte
    "observation": 2,  # observations.body, the version in a column
    "incarnation": 1,  # meta, key "incarnation"
    "payload": 1,  # jobs.payload: the wire form of a job's command, written without a number as long as it is 1
}
#: By kind: the versions that are read.
READ: Final[Mapping[str, frozenset[int]]] = {kind: frozenset({number}) for kind, number in WRITTEN.items()}


class UnknownVersion(ValueError):
    """A text of a form that this version does not read. The words say which and what to do."""


def stamped(kind: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """As it is stored."""
    return {KEY: WRITTEN[kind], **plain}


def opened(kind: str, plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """As it was given to `stamped`. Raises UnknownVersion."""
    found = plain.get(KEY, 1)
    if found not in READ[kind]:
        reads = ", ".join(str(number) for number in sorted(READ[kind]))
        raise UnknownVersion(
            f"{where} has version {found}, but this version of Herder reads version {reads}. Use the version of Herder that wrote it."
        )
    return {key: value for key, value in plain.items() if key != KEY}
