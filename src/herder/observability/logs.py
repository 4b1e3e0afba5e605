"""Log lines of servers and agents: text, or JSON with one object a line and the ids of what the line is about.

`set_up` is called once, when a server or an agent starts. The ids come from `extra` of a call, from `about`, and from the request that
is being answered. A line never contains a header, a query or a body of a request.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from urllib.parse import quote

from herder.model.values.times import iso
from herder.observability.trace_ids import trace_id


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


#: What a line may say beside its message, in this order.
FIELDS = (
    "job", "attempt", "batch", "worker", "pool", "driver", "object", "event", "actor",
    "request_id", "method", "path", "status", "took_ms", "code", "detail",
)  # fmt: skip
#: Of a path in a line.
PATH_LONGEST = 300
_IDS = re.compile(r"/(jobs|batches|attempts)/(\d{1,18})(?:/(\d{1,9}))?(?=/|$)")
_NAMES = re.compile(r"^/api/v1/(workers|pools)/([^/]+)")
_OF_PATH = {"jobs": "job", "batches": "batch", "attempts": "job", "workers": "worker", "pools": "pool"}


class AnsweredRequest:
    """The request that is being answered; `job`, `batch` and the refusal become known on the way."""

    __slots__ = ("_path", "batch", "code", "detail", "id", "job", "method")

    def __init__(self, id_: str, method: str, path: str) -> None:
        self.id, self.method, self._path = id_, method, path
        self.job: int | None = None
        self.batch: int | None = None
        self.code = self.detail = ""

    @property
    def path(self) -> str:
        """Percent-encoded, so that it can end no line; without the query."""
        return quote(self._path[:PATH_LONGEST], safe="/:@=,+~")

    def ids(self) -> dict[str, object]:
        """With those that its path names."""
        found: dict[str, object] = {"request_id": self.id}
        for kind, number, second in _IDS.findall(self.path):
            found[_OF_PATH[kind]] = int(number)
            if kind == "attempts" and second:
                found["attempt"] = int(second)
        for kind, name in _NAMES.findall(self.path):
            found[_OF_PATH[kind]] = name
        if self.job is not None:
            found["job"] = self.job
        if self.batch is not None:
            found["batch"] = self.batch
        return found


#: Of the task that runs; None: it answers no request.
REQUEST: ContextVar[AnsweredRequest | None] = ContextVar("request", default=None)
_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """What the lines are about that are logged within, also by tasks that are started there."""
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def of_attempt(job: int, attempt: int) -> dict[str, object]:
    """`extra` of a line about an attempt."""
    return {"job": job, "attempt": attempt}


class JsonLines(logging.Formatter):
    """`fields` are the same in each line. With an installation, a line about a job has the id of the job's trace."""

    def __init__(self, fields: Mapping[str, object] | None = None, installation: str = "") -> None:
        super().__init__()
        self._fields, self.installation = dict(fields or {}), installation

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = REQUEST.get()
        known = {**self._fields, **({} if request is None else request.ids()), **_ABOUT.get()}
        known |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        line |= {name: known[name] for name in FIELDS if known.get(name) not in (None, "")}
        if self.installation and isinstance(job := line.get("job"), int):
            line["trace_id"] = trace_id(self.installation, job)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(
    form: LogFormat,
    level: LogLevel,
    text: str,
    *,
    fields: Mapping[str, object] | None = None,
    force: bool = False,
) -> None:
    """Lines of Herder from `level` on go to stderr, those of libraries from warnings on: their informative lines contain addresses with secrets.

    `text` is the format of text, `fields` are the same in each line of JSON. Where the process has handlers already they stay, unless `force`.
    """
    if logging.root.handlers and not force:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(fields) if form is LogFormat.JSON else logging.Formatter(text))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=force)
    logging.getLogger("herder").setLevel(level.upper())


def name_installation(installation: str) -> None:
    """From now on lines about a job have the id of its trace; where lines are text nothing changes."""
    for handler in logging.root.handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.installation = installation
