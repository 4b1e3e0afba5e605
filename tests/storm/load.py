"""The work that a storm is made over: batches whose jobs write down what they do, and the book of what must come out.

Each job appends lines to one file: at its begin and at its end, with its number and its attempt. What the store says afterwards is
held against these lines: they are the jobs' own side effects.
"""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from herder.client import HerderClient
from herder.client.errors import ConflictError
from herder.wire.api.work import BatchCreate, JobSubmission

JOBS_PER_BATCH = 24
#: So many that no job fails because its workers were killed.
ATTEMPTS_MAX = 1000

_BEGIN = 'printf "%s %s begin\\n" "$HERDER_JOB_ID" "$HERDER_ATTEMPT" >> "$1"; sleep "$2"; '
#: A job that gives up because its disk is full has failed by itself; these do not give up.
_RESULT = 'until echo "$HERDER_JOB_ID" > "$HERDER_RESULT"; do sleep 0.2; done 2>/dev/null; '
_END = _RESULT + 'printf "%s %s end\\n" "$HERDER_JOB_ID" "$HERDER_ATTEMPT" >> "$1"'
SCRIPTS = {
    "ok": _BEGIN + _END,
    "flaky": _BEGIN + 'mkdir "$1.$HERDER_JOB_ID" 2>/dev/null && exit 3; ' + _END,
    "failing": _BEGIN + "exit 3",
}


@dataclass(slots=True, kw_only=True)
class Sent:
    """A batch as it was accepted: what each job is, on whom it waits, whether it always runs."""

    kinds: list[str]
    parents: list[list[int]]
    always: list[bool]
    first_job: int = 0
    cancelled: bool = False

    def expected(self) -> list[str]:
        """The state in which each job must end, in a batch that nobody cancels."""
        states: list[str] = []
        for kind, parents, always in zip(self.kinds, self.parents, self.always, strict=True):
            starts = always or all(states[parent] == "succeeded" for parent in parents)
            states.append("skipped" if not starts else "failed" if kind == "failing" else "succeeded")
        return states


@dataclass(slots=True)
class Load:
    """Submits from a thread until it is told to stop. `accepted`: by the batch's number."""

    client: HerderClient
    effects: Path
    seed: int
    accepted: dict[int, Sent] = field(default_factory=dict)
    error: BaseException | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join(120)
        assert not self._thread.is_alive(), "a submission hangs"
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        draw = random.Random(self.seed)
        try:
            while not self._stop.is_set():
                self._one(draw)
                self._stop.wait(draw.uniform(0.1, 0.8))
        except BaseException as error:  # noqa: BLE001 - told by `stop`
            self.error = error

    def _one(self, draw: random.Random) -> None:
        sent = _drawn(draw)
        jobs = [_job(sent, place, self.effects, draw.uniform(0, 0.5)) for place in range(len(sent.kinds))]
        batch = self.client.batches.create(BatchCreate(name="storm", jobs=jobs, commit=True))
        self.accepted[batch.id] = sent
        if draw.random() < 0.15:
            sent.cancelled = True
            try:
                self.client.batches.cancel(batch.id, "drawn")
            except ConflictError:  # it had ended before: the answer to its creation came late
                sent.cancelled = False


def _drawn(draw: random.Random) -> Sent:
    kinds = draw.choices(["ok", "flaky", "failing"], [0.8, 0.15, 0.05], k=JOBS_PER_BATCH)
    parents = [
        sorted(draw.sample(range(place), min(place, 2))) if draw.random() < 0.4 else []
        for place in range(JOBS_PER_BATCH)
    ]
    return Sent(kinds=kinds, parents=parents, always=[draw.random() < 0.1 for _ in kinds])


def _job(sent: Sent, place: int, effects: Path, sleep_s: float) -> JobSubmission:
    kind = sent.kinds[place]
    return JobSubmission(
        command=["sh", "-c", SCRIPTS[kind], "storm", str(effects), f"{sleep_s:.2f}"],
        cpu="50m",
        memory="8Mi",
        retries={"ok": 0, "flaky": 3, "failing": 1}[kind],
        attempts_max=ATTEMPTS_MAX,
        parents=list(sent.parents[place]),
        always_run=sent.always[place],
    )


def effects_of(path: Path) -> Iterator[tuple[int, int, int, str]]:
    """(line number, job, attempt, what), in the order in which they were written."""
    for number, line in enumerate(path.read_text().splitlines()):
        job, attempt, what = line.split()
        yield number, int(job), int(attempt), what
