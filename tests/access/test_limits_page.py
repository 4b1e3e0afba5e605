"""`docs/limits.md` is the table of `control/limits.py`, and the list of event kinds is that of the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import herder
from herder.control.limits import TABLE
from herder.model.event_kinds import EVENT_KINDS

#: Functions that are given the kind of an event.
TELLERS = {"record_event", "_tell", "_event", "_told"}
KIND = re.compile(r"[a-z]+\.[a-z_]+")

SOURCE = Path(herder.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "limits.md"


def test_the_page_shows_every_limit() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    shown = [tuple(cell.strip() for cell in row) for row in rows]
    assert shown[0] == ("what", "at most", "beyond it")
    assert shown[1 : len(TABLE) + 1] == [(what, limit, str(status)) for what, limit, status in TABLE]
    assert len(shown) == len(TABLE) + 1 or shown[len(TABLE) + 1][0] == "what", (
        "then comes another table, or none"
    )


def _files() -> list[Path]:
    return [path for part in ("engine", "control", "server") for path in (SOURCE / part).rglob("*.py")]


def _said_at(call: ast.Call) -> Iterator[str]:
    """Kinds among the arguments of a call that tells an event."""
    for argument in call.args:
        if (
            isinstance(argument, ast.Constant)
            and isinstance(argument.value, str)
            and KIND.fullmatch(argument.value)
        ):
            yield argument.value


def test_every_kind_that_is_recorded_can_be_asked_for() -> None:
    nouns = "|".join(sorted({kind.partition(".")[0] for kind in EVENT_KINDS}))
    literal = re.compile(rf'"((?:{nouns})\.[a-z_]+)"')
    no_kinds = {
        "server.json",
        "server.listen",
        "server.lock",
        "server.log",
        "server.store_url",
        "worker.json",
    }
    recorded = {kind for path in _files() for kind in literal.findall(path.read_text())} - no_kinds
    for path in _files():  # also of nouns that the list does not know yet
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in TELLERS:
                recorded |= set(_said_at(node))
    assert len(recorded) > 30
    assert recorded <= EVENT_KINDS, "add them to model/event_kinds.py"


def test_every_kind_that_can_be_asked_for_is_recorded() -> None:
    source = "\n".join(path.read_text() for path in _files())
    ends = {kind for kind in EVENT_KINDS if f'"{kind}"' not in source}
    made = {kind for kind in ends if f'"{kind.partition(".")[0]}.{{' in source}
    assert ends == made, "nothing in the source says them: take them out of model/event_kinds.py"
