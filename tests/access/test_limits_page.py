"""`docs/limits.md` shows the table of `control/kernel/bounds/limits.py` and the figures of other modules; the list of event kinds is that of the source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import herder
from herder.api.http import bodies
from herder.control.kernel.bounds.limits import TABLE
from herder.control.planning import observation
from herder.decide.plan import report
from herder.decide.scaling import shape_grouping
from herder.model.stored.event_kinds import EVENT_KINDS
from herder.scheduler import queue_index, start_times
from herder.server.http import protocol as http_protocol
from herder.server.http.connections import HttpLimits
from herder.server.leadership import forwarding
from herder.settings.load import FILE_BYTES_MAX, FILES_MAX
from herder.settings.syntax import values, yaml_text
from herder.store.opening.lease import SERVERS_MAX

#: Functions that are given the kind of an event.
TELLERS = {"record_event", "_tell", "_event", "_told"}
KIND = re.compile(r"[a-z]+\.[a-z_]+")

SOURCE = Path(herder.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "limits.md"


HEAD = ("limited", "at most", "beyond it")


def sections() -> dict[str, list[tuple[str, ...]]]:
    """The rows of the table in each section, with its head."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for text in PAGE.read_text().split("\n## ")[1:]:
        title, _, body = text.partition("\n")
        rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("| ")]
        found[title] = [tuple(cell.strip() for cell in row) for row in rows]
    return found


def test_the_page_is_one_table_in_sections() -> None:
    assert list(sections()) == ["Input of users", "Calls", "Connections", "Plans and explanations", "Files"]
    assert all(rows[0] == HEAD and len(rows) > 1 for rows in sections().values())
    shown = [what for rows in sections().values() for what, *_ in rows[1:]]
    assert len(shown) == len(set(shown)), "each limit once"


def test_the_page_shows_every_limit() -> None:
    shown = sections()["Input of users"]
    assert shown[1:] == [(what, limit, str(status)) for what, limit, status in TABLE]


def _files() -> list[Path]:
    return [
        path
        for part in ("engine", "scheduler", "control", "server")
        for path in (SOURCE / part).rglob("*.py")
    ]


def _said_at(call: ast.Call) -> Iterator[str]:
    """Kinds among the arguments of a call that tells an event."""
    for argument in call.args:
        if (
            isinstance(argument, ast.Constant)
            and isinstance(argument.value, str)
            and KIND.fullmatch(argument.value)
        ):
            yield argument.value


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def test_the_page_shows_the_figures_of_the_front_and_of_the_planner() -> None:
    http = HttpLimits()
    shown = {what.partition(" (setting")[0]: most for rows in sections().values() for what, most, _ in rows}
    together = (bodies.PEOPLE_BYTES_MAX, bodies.PERSON_BYTES_MAX, bodies.WORKERS_BYTES_MAX)
    expected = {
        "request line and headers": f"{_size(http.head_bytes_max)}, {http.headers_max} headers",
        "time for the headers, or until the first byte of a new connection": f"{http.head_s:g} s",
        "body of `/worker/activate`": _size(bodies.ACTIVATION_BYTES_MAX),
        "body of `/worker/exchange`": _size(bodies.EXCHANGE_BYTES_MAX),
        "body of `POST /batches`, `/batches/N/jobs`": f"{_size(bodies.SUBMISSION_BYTES_MAX)}, 10,000 jobs",
        "body of `/apply`": _size(bodies.APPLY_BYTES_MAX),
        "body of all other calls": _size(bodies.BODY_BYTES_MAX),
        "pieces (chunks) of a body": f"{http_protocol.PIECES:,}, and one more for every {http_protocol.PIECE_BYTES} bytes",
        "time for a body": f"{http.body_grace_s:g} s, then as long as {_size(http.body_bytes_per_s)}/s arrive on average",
        "bodies in memory: of all users, of one user, of all workers": ", ".join(map(_size, together)),
        "pipelined calls on one connection": f"{http.pipeline_max}",
        "an answer that the client does not read": f"{http.answer_stuck_s:g} s without progress; {_size(http.unsent_bytes_max)} of all answers",
        "open connections": f"{http.connections_max:,}",
        "from one address (IPv6: one /64), without a valid token so far": f"{http.strangers_per_address_max}",
        "of one user or worker": f"{http.per_owner_max}",
        "time between two calls": f"{http.idle_s:g} s; {http.stranger_idle_s:g} s before the first valid token",
        "calls that a follower hands on to the leader at the same time": f"{forwarding.CALLS_MAX:,}",
        "silence of the leader while a follower hands a call on": f"{forwarding.SILENCE_S:g} s",
        "servers of one store that are named to workers and in `status`": f"{SERVERS_MAX}",
        "TLS handshake": f"{http.tls_handshake_s:g} s",
        "distinct shapes of waiting jobs in one plan": f"{shape_grouping.SHAPES_MAX}",
        "classes of waiting jobs that one plan sees": f"{observation.OBSERVED_CLASSES_MAX:,}",
        "classes in one placement pass": f"{queue_index.LOOK_MAX}",
        "classes up to which the start of a waiting job is estimated": f"{start_times.CLASSES_MAX:,}",
        "demand without a place that one plan lists": f"{report.UNPLACED_MAX:,}",
        "settings: nested brackets in YAML": f"{yaml_text.BRACKETS_MAX}",
        "settings: values": f"{values.VALUES_MAX:,}",
        "settings: nesting": f"{values.DEPTH_MAX} levels",
        "settings: one file": f"{FILE_BYTES_MAX // 2**20} MiB",
        "settings: files": f"{FILES_MAX:,}",
    }
    assert {what: shown.get(what) for what in expected} == expected
    rest = set(shown) - set(expected) - {what.partition(" (setting")[0] for what, *_ in (*TABLE, HEAD)}
    assert rest == set(), "give each row of the page its figure here"


def test_every_kind_that_is_recorded_can_be_asked_for() -> None:
    nouns = "|".join(sorted({kind.partition(".")[0] for kind in EVENT_KINDS}))
    literal = re.compile(rf'"((?:{nouns})\.[a-z_]+)"')
    no_kinds = {
        "batch.jobs",  # a field of a schedule
        "secret.key",
        "server.json",
        "server.listen",
        "server.lock",
        "server.log",
        "server.store_url",
        "sharing.pipelines",  # a field of an apply
        "worker.json",
    }
    recorded = {kind for path in _files() for kind in literal.findall(path.read_text())} - no_kinds
    for path in _files():  # also of nouns that the list does not know yet
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in TELLERS:
                recorded |= set(_said_at(node))
    assert len(recorded) > 30
    assert recorded <= EVENT_KINDS, "add them to model/stored/event_kinds.py"


def test_every_kind_that_can_be_asked_for_is_recorded() -> None:
    rows = (SOURCE / "store").rglob("*.py")  # a restore writes an event by itself
    source = "\n".join(path.read_text() for path in (*_files(), *rows))
    ends = {kind for kind in EVENT_KINDS if f'"{kind}"' not in source}
    made = {kind for kind in ends if f'"{kind.partition(".")[0]}.{{' in source}
    assert ends == made, "nothing in the source says them: take them out of model/stored/event_kinds.py"
