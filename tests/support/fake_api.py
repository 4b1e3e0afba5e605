"""A small server that speaks the REST API's wire types from memory, on a loopback socket: for tests of client and CLI.

It keeps a list of what it was asked (`calls`), can be told to fail (`fail`), and remembers idempotency keys, so that a
test can see whether a retried write was done twice.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from herder.wire.api import drivers, people, work
from herder.wire.api import resources as wire
from tests.support.wire_samples import CREATE, POOL_ROW, T0, batch, event, job, pool, worker

TOKEN = "t0ken-of-the-fake"


class FakeApi:
    """State, and one method for each answer. Use as a context manager."""

    def __init__(self) -> None:
        self.pools = {each.name: each for each in (pool("burst"), pool("permanent", frozen=True))}
        self.worker_looks: dict[str, list[wire.WorkerView]] = {}
        """What a worker looks like when it is asked for, one after the other; then as the last."""
        self.workers = {each.name: each for each in (worker("burst-7-1"), worker("burst-7-2", cordoned=True))}
        self.worker_answer = ""
        """To orders about workers."""
        self.batches = {3: batch(3)}
        self.jobs = {17: job(17)}
        self.events = [event(number) for number in range(1, 6)]
        self.plan = wire.PlanView(
            number=9, made_at=T0, empty=False, actions=[CREATE], pools=[POOL_ROW], unplaced=[]
        )
        self.logs = "hello\nwörld\n"
        self.calls: list[tuple[str, str, dict[str, str], Any]] = []
        self.keys: dict[str, tuple[int, Any]] = {}
        self.writes_done = 0
        self.fail: list[int | None] = []
        """Statuses to answer with, one for each of the next calls; 0 closes the connection without an answer, and None is no failure."""
        self.code = ""
        """Of the problems that it answers with then."""
        self.fail_after_write: list[int | None] = []
        """The same, but the write is done before."""
        self.page_size: int | None = None
        self.break_streams = 0
        """So many of the next streams break off in the middle."""
        self.attention: list[str] = []
        self.role_needed = ""
        self.refuse = ("", "")
        """Field and text of what is refused with: all that is posted."""
        self.role = ""
        self.lock = threading.Lock()
        self.held: dict[str, threading.Event] = {}
        """Calls of these paths are answered when the event is set."""

    def __enter__(self) -> "FakeApi":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"api": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)

    def bodies(self, path: str) -> list[Any]:
        return [body for _, called, _, body in self.calls if called == path]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        parts = path.removeprefix("/api/v1/").split("/")
        if self.role_needed and method != "GET":
            return _problem(403, f"this needs the role {self.role_needed}")
        noun, rest = parts[0], parts[1:]
        if self.refuse[1] and method == "POST":
            return _problem(422, self.refuse[1], field=self.refuse[0])
        lists = {
            "pools": self.pools,
            "workers": self.workers,
            "batches": self.batches,
            "jobs": self.jobs,
            "plans": {9: self.plan},
            "users": {"alice": people.UserView(name="alice", role="operator", weight=1)},
        }
        if method == "GET" and not rest and noun in lists:
            rows = [
                each
                for each in lists[noun].values()
                if query.get("pool") in (None, getattr(each, "pool", None))
            ]
            return 200, self._page(rows, query)
        nouns: dict[str, Any] = {
            "status": lambda: (200, self._status()),
            "health": lambda: (200, {"status": "ok", **({"role": self.role} if self.role else {})}),
            "ready": lambda: (200, {"status": "ok"}),
            "invariants": lambda: (200, {"violations": []}),
            "plans": lambda: (200, self.plan),
            "events": lambda: (200, self._events(query)),
            "pools": lambda: self._pool(method, rest[0], rest[1:], query, body),
            "workers": lambda: self._worker(rest[0], rest[1:], query),
            "batches": lambda: self._batch(rest, body, query),
            "jobs": lambda: self._job(rest, query),
            "apply": lambda: (200, self._apply(query, body)),
            "whoami": lambda: (
                200,
                people.WhoAmI(
                    user="alice",
                    role="user",
                    user_role="operator",
                    token="3f9a1c02be47",
                    expires_at=None,
                    projects={"research": "user"},
                ),
            ),
            "users": lambda: self._user(method, rest, query, body),
            "tokens": lambda: self._token(method, rest, query, body),
        }
        return nouns[noun]() if noun in nouns else _problem(404, f"there is no {path}")

    def _user(self, method: str, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "DELETE":
            dry = query.get("dry_run") == "true"
            text = f"User {rest[0]} {'would be' if dry else 'was'} deleted."
            return 200, wire.Result(object=f"user/{rest[0]}", text=text, dry_run=dry)
        role, weight = body.get("role", "user"), body.get("weight", 1)
        return 200, people.UserView(name=rest[0] if rest else body["name"], role=role, weight=weight)

    def _token(self, method: str, rest: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "DELETE":
            return 200, wire.Result(object=f"token/{rest[0]}", text=f"Token {rest[0]} of alice was revoked.")
        if method == "GET":
            token = people.TokenView(
                id="3f9a1c02be47", user="alice", role="user", note="\x1b]0;laptop\x07", state="active", created_at=T0,
                expires_at=None, last_used_at=None, revoked_at=None,
            )  # fmt: skip
            return 200, self._page([token], query)
        made = people.TokenCreated(
            token="s3cret",
            user=body.get("user") or "alice",
            role=body.get("role") or "user",
            id="3f9a1c02be47",
        )
        return 200, made

    def _events(self, query: dict[str, str]) -> wire.Page:
        rows = [each for each in self.events if each.sequence > int(query.get("after", 0))]
        if query.get("newest") == "true":
            rows.reverse()
        return wire.Page(items=rows[: int(query.get("limit", 100))])

    def _page(self, rows: list[Any], query: dict[str, str]) -> wire.Page:
        size = min(self.page_size or 1000, int(query.get("limit", 1000)))
        start = int(query.get("after", 0))
        following = start + size
        return wire.Page(
            items=rows[start:following],
            next=str(following) if following < len(rows) else None,
            total=len(rows),
        )

    def _status(self) -> wire.Status:
        return wire.Status(
            version="0.1.0",
            now=T0,
            started_at=T0,
            jobs={"ready": 5, "running": 2, "succeeded": 40},
            pools=list(self.pools.values()),
            workers={"ready": 2, "terminated": 9},
            spend_usd="1.25",
            spend_by_user={"alice": "1.25"},
            price_per_hour_usd="0.24",
            recent_failures=["worker burst-6-1: the provider had no capacity"],
            attention=self.attention,
        )

    def _pool(
        self, method: str, name: str, verb: list[str], query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if name not in self.pools:
            return _problem(404, f"There is no pool {name!r}.")
        dry = query.get("dry_run") == "true"
        if method == "DELETE":
            if not dry:
                del self.pools[name]
            return 200, wire.Result(object=f"pool/{name}", text=f"drains 2 workers of {name}", dry_run=dry)
        if verb == ["why"]:
            fact = wire.ReasonView(kind="queued_jobs", text="5 jobs wait", evidence={"jobs": 5})
            return 200, wire.Explanation(subject=f"pool/{name}", summary="2 workers, 3 wanted", facts=[fact])
        if verb == ["join-tokens"]:
            return 200, _join_token(name, body)
        if verb == ["scale"]:
            return self._scale(name, body, dry)
        if verb:
            return 200, wire.Result(object=f"pool/{name}", text=f"pool {name}: {verb[0]} done")
        return 200, self.pools[name]

    def _scale(self, name: str, body: Any, dry: bool) -> tuple[int, Any]:
        if body["workers"] > 5:
            return _problem(409, "pool burst is at its maximum", hint="Raise max_workers.")
        if body.get("template") == "huge":
            return _problem(422, "there is no template 'huge'", field="template")
        names = [f"{name}-9-{n + 1}" for n in range(body["workers"])]
        reason = wire.ReasonView(kind="requested", text="asked for by alice")
        return 200, wire.ScaleAnswer(pool=name, workers=names, plan=9, dry_run=dry, reasons=[reason])

    def _worker(self, name: str, verb: list[str], query: dict[str, str]) -> tuple[int, Any]:
        if name not in self.workers:
            return _problem(404, f"there is no worker {name!r}")
        if verb == ["why"]:
            fact = wire.ReasonView(kind="queued_jobs", text="5 jobs wait", evidence={"jobs": 5})
            return 200, wire.Explanation(subject=f"worker/{name}", summary="made for jobs", facts=[fact])
        if verb == ["console"]:
            return 200, "boot ok\n"
        if verb == ["logs"]:
            return 200, f"{query['service']} ok\n" if query["service"] != "etcd" else ""
        if verb == ["operations"]:
            made = drivers.OperationView(
                kind="insert",
                state="failed",
                began="2026-01-01T00:00:00Z",
                by="herder@p",
                detail="ZONE_FULL: no room",
            )
            return 200, wire.Page(items=[made])
        if verb:
            dry = query.get("dry_run") == "true"
            text = self.worker_answer or f"{verb[0]} of {name}: 1 job runs"
            return 200, wire.Result(object=f"worker/{name}", text=text, dry_run=dry)
        later = self.worker_looks.get(name)
        if later:
            self.workers[name] = later.pop(0)
        return 200, self.workers[name]

    def _batch(self, rest: list[str], body: Any, query: dict[str, str]) -> tuple[int, Any]:
        dry = query.get("dry_run") == "true"
        if not rest and dry:
            return 200, wire.Result(object="batch", text="A batch would be submitted.", dry_run=True)
        if not rest:
            new = batch(4, name=body.get("name", ""), jobs=len(body.get("jobs", [])), counts={})
            if not body.get("commit"):
                new.state = "open"
            self.batches[4] = new
            return 200, new
        number = int(rest[0])
        if number not in self.batches:
            return _problem(404, f"there is no batch {number}")
        found = self.batches[number]
        if rest[1:] == ["jobs"]:
            found.jobs += len(body["jobs"])
            return 200, work.JobsAdded(batch=number, first_job=100, count=len(body["jobs"]))
        if rest[1:] == ["groups"]:
            return 200, wire.Page(items=[], total=0)
        if rest[1:] == ["commit"]:
            found.state = "running"
        if rest[1:] == ["cancel"]:
            text = f"batch {number} would be cancelled" if dry else f"batch {number} cancelled"
            return 200, wire.Result(object=f"batch/{number}", text=text, dry_run=dry)
        return 200, found

    def _job(self, rest: list[str], query: dict[str, str]) -> tuple[int, Any]:
        dry = query.get("dry_run") == "true"
        if not rest:
            return self._submitted(dry)
        if dry and rest[1:] == ["retry"]:
            return self._submitted(dry)
        number = int(rest[0])
        if number not in self.jobs:
            return _problem(404, f"there is no job {number}")
        if rest[1:] == ["explain"]:
            fact = wire.ReasonView(kind="nothing_fits", text="it asks for 64 GiB, the largest worker has 8")
            return 200, wire.Explanation(subject=f"job/{number}", summary="waits for capacity", facts=[fact])
        if rest[1:] == ["retry"]:
            return 200, work.JobsAdded(batch=None, first_job=99, count=1)
        if rest[1:] == ["cancel"]:
            text = f"job {number} would be cancelled" if dry else f"job {number} cancelled"
            return 200, wire.Result(object=f"job/{number}", text=text, dry_run=dry)
        return 200, self.jobs[number]

    def _submitted(self, dry: bool) -> tuple[int, Any]:
        if dry:
            return 200, wire.Result(object="job", text="1 job would be submitted.", dry_run=True)
        return 200, work.JobsAdded(batch=None, first_job=17, count=1)

    def _apply(self, query: dict[str, str], body: Any) -> wire.ApplyAnswer:
        changes = [
            wire.ApplyChange(
                pool=row["name"],
                change="updated" if row["name"] in self.pools else "created",
                fields={"max_workers": (5, row["max_workers"])} if row["name"] in self.pools else {},
            )
            for row in body["pools"]
        ]
        return wire.ApplyAnswer(
            changes=changes,
            dry_run=query.get("dry_run") == "true",
            price_per_hour_min_usd="0",
            price_per_hour_max_usd="2.4",
        )


def _join_token(pool: str, body: Any) -> people.JoinTokenCreated:
    return people.JoinTokenCreated(
        token="j0in", id="3f9a1c02be47", pool=pool, template="small", uses=body.get("uses", 1),
        expires_at=T0, server_url="http://127.0.0.1:8765",
    )  # fmt: skip


def _problem(status: int, detail: str, hint: str = "", field: str = "") -> tuple[int, wire.Problem]:
    return status, wire.Problem(title=detail, status=status, detail=detail, hint=hint, field=field)


class Handler(BaseHTTPRequestHandler):
    """One connection. `api` is set in a subclass for each fake."""

    api: FakeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *rest: object) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.api.calls.append((self.command, parts.path, query, body))
        if parts.path in self.api.held:
            self.api.held[parts.path].wait(10)
        if self.api.fail and self._failed(self.api.fail.pop(0)):
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(*_problem(401, "this needs a token"))
            return
        if parts.path == "/api/v1/events/stream":
            self._stream()
            return
        if (
            "/jobs/" in parts.path
            and parts.path.endswith("/logs")
            and int(parts.path.split("/")[-2]) in self.api.jobs
        ):
            found = self.api.jobs[int(parts.path.split("/")[-2])]
            if not found.attempts:
                self._send(
                    *_problem(409, f"job {found.id} has no output: it was {found.state} before it started")
                )
                return
            self._logs(int(query.get("offset", 0)))
            return
        key = self.headers.get("Idempotency-Key")
        with self.api.lock:
            repeated = key in self.api.keys
            answer = (
                self.api.keys[key]
                if key and repeated
                else self.api.answer(self.command, parts.path, query, body)
            )
            if key and not repeated:
                self.api.keys[key] = answer
                self.api.writes_done += 1
        if (
            key
            and not repeated
            and self.api.fail_after_write
            and self._failed(self.api.fail_after_write.pop(0))
        ):
            return
        self._send(*answer)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def _failed(self, status: int | None) -> bool:
        if status is None:
            return False
        if status:
            code, problem = _problem(status, f"told to fail with {status}")
            problem.code = self.api.code or problem.code
            self._send(code, problem)
        else:
            self.close_connection = True
            self.connection.shutdown(2)
        return True

    def _send(self, status: int, answer: Any) -> None:
        text = isinstance(answer, str)
        content = answer.encode() if text else msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _logs(self, offset: int) -> None:
        content = self.api.logs.encode()[offset:]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.api.break_streams:
            self.api.break_streams -= 1
            # In the middle of a letter of two bytes.
            self.wfile.write(content[:8])
            self.close_connection = True
            return
        self.wfile.write(content)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        after = int(self.headers.get("Last-Event-ID") or 0)
        broken = self.api.break_streams > 0
        self.api.break_streams -= broken
        self.wfile.write(b": hello\n\n")
        for row in [each for each in self.api.events if each.sequence > after][: 2 if broken else None]:
            self.wfile.write(b"id: %d\ndata: %s\n\n" % (row.sequence, msgspec.json.encode(row)))
        self.close_connection = True
