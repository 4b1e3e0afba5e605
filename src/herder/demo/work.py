"""The batches of the two users: submits them, follows them to their end, and reads the results. Called by `command.py`; uses the client
only.

`Watching` asks the server for the picture that the screen shows, and keeps what can only be seen on the way: why a job waited.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from herder.cli.shell.exit_codes import Code, CommandError
from herder.client import ClientError, HerderClient
from herder.client.http import clock
from herder.client.parts.work import BATCH_ENDED
from herder.demo.source import Group, Source
from herder.wire.api.resources import EventView, Explanation, Status, WorkerView
from herder.wire.api.work import BatchCreate, BatchView, JobSubmission, JobView

LATER_S = 2.5
"""The second user comes when the first one's jobs are under way: then their shares can be seen to even out."""
LOOK_S = 0.5
RUN_MAX_S = 600.0
"""The longest the batches may take. On two free cores they take about 15 s."""
SHRINK_MAX_S = 20.0
"""How long the end waits for the burst pool to let its workers go; their idle timeout is 4 s."""
WAITED_S = 1.5
"""A job that has been ready for this long is asked why it waits."""
MERGE = "merge"
_EVENTS_KEPT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the screen shows at one moment."""

    elapsed_s: float
    phase: str
    jobs_total: int
    status: Status
    latest: Sequence[EventView]


@dataclass(slots=True, kw_only=True)
class Watching:
    """`clients` by user; `show` is called with a new picture at most every LOOK_S."""

    clients: Mapping[str, HerderClient]
    jobs_total: int
    show: Callable[[Picture], None]
    alive: Callable[[], bool]
    began_s: float = field(default_factory=clock.monotonic_s)
    phase: str = ""
    waited: Explanation | None = None
    _waited_ready: bool = False
    _last_s: float = 0.0
    _seen: int = 0
    _latest: list[EventView] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        return clock.monotonic_s() - self.began_s

    @property
    def any_client(self) -> HerderClient:
        return next(iter(self.clients.values()))

    def look(self) -> Status | None:
        """A new picture, unless the last one is young. Raises CommandError when the server is gone."""
        if clock.monotonic_s() - self._last_s < LOOK_S:
            return None
        try:
            status = self.any_client.status()
            self._read_events()
            self._ask_why_one_waits(status)
        except ClientError as error:
            if self.alive():
                raise
            raise CommandError("The server ended before the work had ended.", hint=error.message) from None
        self._last_s = clock.monotonic_s()
        self.show(
            Picture(
                elapsed_s=self.elapsed_s,
                phase=self.phase,
                jobs_total=self.jobs_total,
                status=status,
                latest=self._latest,
            )
        )
        return status

    def _read_events(self) -> None:
        for event in self.any_client.events.list(after=self._seen, kind="worker."):
            self._seen = event.sequence
            self._latest = [*self._latest, event][-_EVENTS_KEPT:]

    def _ask_why_one_waits(self, status: Status) -> None:
        """Best of one that has been ready for a while: it has more to tell than one that waits for its parents."""
        if self.waited is None and status.jobs.get("blocked"):
            for job in self.any_client.jobs.list(state="blocked", limit=1):
                self._keep_if_it_waits(job.id)
        if not self._waited_ready and status.jobs.get("ready"):
            soonest = datetime.fromisoformat(status.now) - timedelta(seconds=WAITED_S)
            jobs = self.any_client.jobs.list(state="ready", limit=50)
            old = (job.id for job in jobs if job.ready_at and datetime.fromisoformat(job.ready_at) < soonest)
            if (oldest := next(old, None)) is not None:
                self._waited_ready = self._keep_if_it_waits(oldest)

    def _keep_if_it_waits(self, job: int) -> bool:
        """It may have started since it was listed."""
        found = self.any_client.jobs.explain(job)
        if "waits" not in found.summary:
            return False
        self.waited = found
        return True


def submit(client: HerderClient, source: Source, user: str, groups: Sequence[Group]) -> BatchView:
    """One batch: a job for each group, and the merge that depends on all of them."""
    largest = max(groups, key=lambda group: group.size_bytes)
    jobs = [_count(source, group, high=group is largest and len(groups) > 1) for group in groups]
    merge = JobSubmission(
        command=_command("herder.demo.merge"),
        key=MERGE,
        env=_environment(),
        cpu="250m",
        memory="1Gi",
        pool="highmem",
        parents=[group.key for group in groups],
        parents_results=True,
    )
    name = f"count {source.title} ({user})"
    return client.batches.create(BatchCreate(name=name, project="demo", jobs=[*jobs, merge], commit=True))


def _count(source: Source, group: Group, *, high: bool) -> JobSubmission:
    """`high`: the largest job of a user asks for much memory, which only one pool has."""
    task = json.dumps({"root": str(source.root), "group": group.key, "files": group.files})
    return JobSubmission(
        command=_command("herder.demo.count"),
        key=group.key,
        env=_environment(),
        inputs={"task.json": task},
        cpu="250m",
        memory="1Gi" if high else "512Mi",
        pool="highmem" if high else "auto",
        retries=1,
    )


def _command(module: str) -> list[str]:
    """`-P`: what lies in the scratch folder is input, never code."""
    return [sys.executable, "-P", "-m", module]


def _environment() -> dict[str, str]:
    """Jobs inherit next to nothing from the server; where Herder itself was found by a path, they need it too."""
    paths = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))} if paths else {}


def run_batches(watching: Watching, source: Source, dealt: Mapping[str, Sequence[Group]]) -> dict[str, int]:
    """The batch of each user, ended. Raises CommandError when it takes too long."""
    batches: dict[str, int] = {}
    for user, groups in dealt.items():
        watching.phase = f"{user} submits {len(groups) + 1} jobs"
        batches[user] = submit(watching.clients[user], source, user, groups).id
        first = len(batches) == 1 and len(dealt) > 1
        _follow(watching, {} if first else batches, LATER_S if first else RUN_MAX_S)
    return batches


def _follow(watching: Watching, batches: Mapping[str, int], most_s: float) -> None:
    """Until these batches have ended; with none to wait for, for the given time."""
    deadline = clock.monotonic_s() + most_s
    left = dict(batches)
    while clock.monotonic_s() < deadline:
        if watching.look() is not None:
            for user, batch in list(left.items()):
                if watching.clients[user].batches.get(batch).state in BATCH_ENDED:
                    del left[user]
            watching.phase = "jobs are running"
        if batches and not left:
            return
        clock.sleep_s(0.05)
    if batches:
        raise CommandError(
            f"The batches of {' and '.join(left)} have not ended after {most_s:g} s.",
            hint="This machine is very busy, or the input is large; try a smaller --input.",
            code=Code.TIMED_OUT,
        )


def wait_for_shrinking(watching: Watching) -> bool:
    """Whether the burst pool is empty again within SHRINK_MAX_S."""
    watching.phase = "idle workers of pool burst are removed"
    deadline = clock.monotonic_s() + SHRINK_MAX_S
    while clock.monotonic_s() < deadline:
        status = watching.look()
        if status is not None and not any(pool.actual for pool in status.pools if pool.name == "burst"):
            return True
        clock.sleep_s(0.05)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything the summary tells, read back from the server after the work."""

    batches: Mapping[str, BatchView]
    jobs: Mapping[str, Sequence[JobView]]
    merged: Mapping[str, dict[str, object] | None]
    workers: Sequence[WorkerView]
    status: Status
    why_worker: Explanation | None
    why_waited: Explanation | None


def read_back(watching: Watching, batches: Mapping[str, int]) -> Outcome:
    jobs = {user: list(watching.clients[user].jobs.list(batch=batch)) for user, batch in batches.items()}
    workers = list(watching.any_client.workers.list(ended=True))[::-1]
    gone = [worker for worker in workers if worker.pool == "burst" and worker.why_removed]
    return Outcome(
        batches={user: watching.clients[user].batches.get(batch) for user, batch in batches.items()},
        jobs=jobs,
        merged={user: _merged(watching.clients[user], rows) for user, rows in jobs.items()},
        workers=workers,
        status=watching.any_client.status(),
        why_worker=watching.any_client.workers.why((gone or workers)[0].name) if workers else None,
        why_waited=watching.waited,
    )


def _merged(client: HerderClient, jobs: Sequence[JobView]) -> dict[str, object] | None:
    last = next((job for job in jobs if job.key == MERGE and job.state == "succeeded"), None)
    result = client.jobs.get(last.id).result if last is not None else None
    return result if isinstance(result, dict) else None
