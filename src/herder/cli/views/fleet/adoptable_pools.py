"""What exists at a provider as pools that would adopt it: settings for herder.yaml, with what a person has to know as comments before them."""

import textwrap
from collections.abc import Iterator
from typing import Any

from herder.cli.output.columns import field
from herder.cli.output.rows import View

_WIDTH = 78
ADOPTABLE_POOLS = View(
    noun="pool",
    name=lambda pool: str(pool.name),
    columns=(
        field("NAME", "name"),
        field("USED BY", "used_by"),
        field("REFUSED", "refused", wrap=True),
    ),
    empty="",
)


def comments(found: Any) -> str:
    """Each line begins with #. A command has a line of its own, so that it can be copied."""
    return "\n".join(line for pool in found.pools for line in _of_pool(pool))


def settings(found: Any) -> dict[str, Any]:
    """Of the pools that can be adopted."""
    wanted = {pool.name: pool.settings for pool in found.pools if not (pool.used_by or pool.refused)}
    return {"pools": wanted}


def _of_pool(pool: Any) -> Iterator[str]:
    if pool.used_by:
        yield from _lines(f"{pool.name}: used by pool {pool.used_by} already.")
    elif pool.refused:
        yield from _lines(f"{pool.name}: cannot be adopted. {pool.refused}")
    else:
        yield from _lines(f"{pool.name}:")
        for text in (*pool.needs, *pool.notes):
            yield from _lines(text, "  - ")


def _lines(text: str, bullet: str = "") -> Iterator[str]:
    for number, part in enumerate(text.split("`")):
        if number % 2:
            yield f"#     {part}"
        elif words := part.strip(" ."):
            end = "." if part.rstrip().endswith(".") else ""
            lines = textwrap.wrap(words + end, _WIDTH - 2 - len(bullet), break_on_hyphens=False)
            for place, line in enumerate(lines):
                yield f"# {bullet if not place and not number else ' ' * len(bullet)}{line}"
