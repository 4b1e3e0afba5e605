"""`docs/limits.md` is the table of `control/limits.py`, and the list of event kinds is that of the source."""

import re
from pathlib import Path

import herder
from herder.control.limits import TABLE
from herder.model.event_kinds import EVENT_KINDS

SOURCE = Path(herder.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "limits.md"


def test_the_page_shows_every_limit() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    shown = [tuple(cell.strip() for cell in row) for row in rows]
    assert shown[0] == ("what", "at most", "beyond it")
    assert shown[1:] == [(what, limit, str(status)) for what, limit, status in TABLE]


def test_every_kind_that_is_recorded_can_be_asked_for() -> None:
    nouns = "|".join(sorted({kind.partition(".")[0] for kind in EVENT_KINDS}))
    literal = re.compile(rf'"((?:{nouns})\.[a-z_]+)"')
    files = [path for part in ("engine", "control", "server") for path in (SOURCE / part).rglob("*.py")]
    recorded = {kind for path in files for kind in literal.findall(path.read_text())}
    assert len(recorded) > 15
    assert recorded <= EVENT_KINDS, "add them to model/event_kinds.py"
