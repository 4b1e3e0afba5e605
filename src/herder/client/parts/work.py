"""Batches and jobs: the part of the client for users who run jobs."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TypeVar
from urllib.parse import quote

import msgspec

from herder.client.errors import InvalidError, UnreachableError
from herder.client.http import clock
from herder.client.http.transport import RETRIES, Transport
from herder.client.parts.pages import pages
from herder.client.parts.waiting import wait_until
from herder.wire.api.resources import Explanation, Result
from herder.wire.api.work import (
    BatchCreate,
    BatchView,
    EndedJob,
    EndedJobs,
    GroupCreate,
    GroupView,
    JobDetail,
    JobsAdd,
    JobsAdded,
    JobSubmission,
    JobView,
)

V = TypeVar("V", BatchView, JobView)
BUNCH_MAX = 10_000
"""Most jobs of one call, as the API allows."""
BATCH_ENDED = frozenset({"succeeded", "failed", "cancelled"})
JOB_ENDED = frozenset({"succeeded", "failed", "cancelled", "skipped"})
DRY_RUN = {"dry_run": True}
LOG_IDLE_S = 300.0
"""A job that prints nothing for this long is looked at again with a new call."""
ATTEMPT_ENDED = frozenset({"succeeded", "failed", "cancelled", "lost"})
LOG_AGAIN_S = 0.5
"""Before a stream is asked for again that the server ended on its own."""
LOG_LIVED_S = 5.0
"""A log stream that lasted longer than this did not fail to start: its end is no failure in a row."""


class Batches:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def create(self, batch: BatchCreate) -> BatchView:
        return self._http.write("POST", "/batches", BatchView, batch)

    def add_jobs(
        self, batch: int, jobs: Sequence[JobSubmission], groups: Sequence[GroupCreate] = ()
    ) -> JobsAdded:
        """Up to `BUNCH_MAX` jobs to a batch that accepts jobs. `groups`: new ones that have settings."""
        body = JobsAdd(jobs=[*jobs], groups=[*groups])
        return self._http.write("POST", f"/batches/{batch}/jobs", JobsAdded, body)

    def commit(self, batch: int) -> BatchView:
        return self._http.write("POST", f"/batches/{batch}/commit", BatchView)

    def submit(self, batch: BatchCreate, jobs: Sequence[JobSubmission]) -> Iterator[tuple[int, BatchView]]:
        """Creates, fills and commits a batch; yields (jobs sent so far, the batch) after each call. Run it to its end."""
        if len(jobs) <= BUNCH_MAX:
            batch.jobs, batch.commit = list(jobs), True
            yield len(jobs), self.create(batch)
            return
        view = self.create(batch)
        yield 0, view
        # The next bunch is made while the server takes this one.
        with ThreadPoolExecutor(1, thread_name_prefix="herder-batch") as maker:
            made = maker.submit(jobs.__getitem__, slice(0, BUNCH_MAX))
            for start in range(0, len(jobs), BUNCH_MAX):
                bunch = made.result()
                made = maker.submit(jobs.__getitem__, slice(start + BUNCH_MAX, start + 2 * BUNCH_MAX))
                try:
                    self.add_jobs(view.id, bunch)
                except InvalidError:
                    self.cancel(view.id, "some of its jobs were refused")
                    raise
                yield start + len(bunch), view
        yield len(jobs), self.commit(view.id)

    def try_submit(self, batch: BatchCreate, jobs: Sequence[JobSubmission]) -> Iterator[tuple[int, Result]]:
        """What the server would say to `submit`; yields (jobs checked so far, its answer). Nothing is kept there, so each call names what
        it needs of the ones before it."""
        places: dict[str, int] = {}
        for start in range(0, max(1, len(jobs)), BUNCH_MAX):
            bunch = list(jobs[start : start + BUNCH_MAX])
            names = {key for job in bunch for key in (job.key, *job.parents) if isinstance(key, str)}
            earlier = {key: places[key] for key in names if key in places}
            body = msgspec.structs.replace(batch, jobs=bunch, earlier_jobs=start, earlier_keys=earlier)
            yield start + len(bunch), self._http.write("POST", "/batches", Result, body, DRY_RUN)
            places.update((job.key, start + place) for place, job in enumerate(bunch) if job.key is not None)

    def get(self, batch: int) -> BatchView:
        return self._http.get(f"/batches/{batch}", BatchView)

    def list(
        self,
        search: str | None = None,
        *,
        user: str | None = None,
        state: str | None = None,
        limit: int | None = None,
    ) -> Iterator[BatchView]:
        """`search`: such as `state:failed name~night`."""
        query = {"q": search, "user": user, "state": state}
        return pages(self._http, "/batches", BatchView, query, limit=limit)

    def cancel(self, batch: int, message: str = "", *, dry_run: bool = False) -> Result:
        path = f"/batches/{batch}/cancel"
        return self._http.write("POST", path, Result, message_body(message), DRY_RUN if dry_run else None)

    def groups(self, batch: int) -> Iterator[GroupView]:
        """Each after the one above it."""
        return pages(self._http, f"/batches/{batch}/groups", GroupView)

    def group(self, batch: int, path: str) -> GroupView:
        return self._http.get(f"/batches/{batch}/groups/{quote(path)}", GroupView)

    def cancel_group(self, batch: int, path: str, message: str = "", *, dry_run: bool = False) -> Result:
        """With the groups below it."""
        query = DRY_RUN if dry_run else None
        where = f"/batches/{batch}/groups/{quote(path)}/cancel"
        return self._http.write("POST", where, Result, message_body(message), query)

    def close(self, batch: int) -> Result:
        """No job can be added from now on; it ends when its jobs have ended."""
        return self._http.write("POST", f"/batches/{batch}/close", Result)

    def hold(self, batch: int, message: str = "") -> Result:
        """Its jobs that have not started wait until it is released."""
        return self._http.write("POST", f"/batches/{batch}/hold", Result, message_body(message))

    def release(self, batch: int, message: str = "") -> Result:
        return self._http.write("POST", f"/batches/{batch}/release", Result, message_body(message))

    def delete(self, batch: int, message: str = "", *, dry_run: bool = False) -> Result:
        """One that has ended, with its jobs, their attempts and their output."""
        query = {"dry_run": dry_run, "message": message or None}
        return self._http.write("DELETE", f"/batches/{batch}", Result, None, query)

    def retry_failed(self, batch: int, *, dry_run: bool = False, if_plan: str | None = None) -> Result:
        """Tries its failed jobs again, and those that were skipped because of them. `if_plan`: as of `Pools.scale`."""
        query = {"dry_run": dry_run or None, "if_plan": if_plan}
        return self._http.write("POST", f"/batches/{batch}/retry", Result, None, query)

    def retry_group(self, batch: int, path: str, *, dry_run: bool = False) -> Result:
        """As `retry_failed`, of the failed jobs of a group and of the groups below it."""
        where = f"/batches/{batch}/groups/{quote(path)}/retry"
        return self._http.write("POST", where, Result, None, DRY_RUN if dry_run else None)

    def wait(
        self,
        batch: int,
        timeout_s: float | None = None,
        *,
        seen: Callable[[BatchView], None] | None = None,
        look_s: float | None = None,
    ) -> BatchView:
        """The batch when it has ended; `seen` is called with it every `look_s` until then. Raises TimedOutError."""

        def poll(seconds: float) -> BatchView:
            query = {"timeout_s": round(seconds, 3)}
            return self._http.get(f"/batches/{batch}/wait", BatchView, query, held_s=seconds)

        hint = f"Continue waiting with `herder batch wait {batch}`."
        return wait_until(
            self._http, f"Batch {batch}", poll, _ended(BATCH_ENDED, seen), timeout_s, hint, look_s
        )


class Jobs:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def submit(self, job: JobSubmission) -> JobsAdded:
        return self._http.write("POST", "/jobs", JobsAdded, job)

    def try_submit(self, job: JobSubmission) -> Result:
        """What the server would say to `submit`."""
        return self._http.write("POST", "/jobs", Result, job, DRY_RUN)

    def get(self, job: int) -> JobDetail:
        return self._http.get(f"/jobs/{job}", JobDetail)

    def list(
        self,
        search: str | None = None,
        *,
        batch: int | None = None,
        state: str | None = None,
        user: str | None = None,
        pool: str | None = None,
        name: str | None = None,
        group: str | None = None,
        limit: int | None = None,
    ) -> Iterator[JobView]:
        """`search`: such as `state:failed duration>5m`. `group`: of the batch, with those below it."""
        query = {"q": search, "batch": batch, "state": state, "user": user, "pool": pool, "name": name}
        query["group"] = group
        return pages(self._http, "/jobs", JobView, query, limit=limit)

    def cancel(
        self, job: int, message: str = "", *, dry_run: bool = False, if_plan: str | None = None
    ) -> Result:
        """`if_plan`: as of `Pools.scale`."""
        query = {"dry_run": dry_run or None, "if_plan": if_plan}
        return self._http.write("POST", f"/jobs/{job}/cancel", Result, message_body(message), query)

    def hold(self, job: int, message: str = "") -> Result:
        return self._http.write("POST", f"/jobs/{job}/hold", Result, message_body(message))

    def release(self, job: int, message: str = "") -> Result:
        return self._http.write("POST", f"/jobs/{job}/release", Result, message_body(message))

    def retry(self, job: int) -> JobsAdded:
        """Submits one that has ended again, as a new job."""
        return self._http.write("POST", f"/jobs/{job}/retry", JobsAdded)

    def try_retry(self, job: int) -> Result:
        """What the server would say to `retry`."""
        return self._http.write("POST", f"/jobs/{job}/retry", Result, None, DRY_RUN)

    def explain(self, job: int) -> Explanation:
        return self._http.get(f"/jobs/{job}/explain", Explanation)

    def wait(
        self,
        job: int,
        timeout_s: float | None = None,
        *,
        seen: Callable[[JobView], None] | None = None,
        look_s: float | None = None,
    ) -> JobView:
        """The job when it has ended; `seen` is called with it every `look_s` until then. Raises TimedOutError."""

        def poll(seconds: float) -> JobView:
            query = {"timeout_s": round(seconds, 3)}
            return self._http.get(f"/jobs/{job}/wait", JobView, query, held_s=seconds)

        hint = f"Continue waiting with `herder job wait {job}`."
        return wait_until(self._http, f"Job {job}", poll, _ended(JOB_ENDED, seen), timeout_s, hint, look_s)

    def ended(self, jobs: Sequence[int], timeout_s: float) -> Sequence[EndedJob]:
        """Those of up to 1,000 jobs that have ended, as soon as there is one or the time is over (at most 30 s)."""
        query: dict[str, str | float] = {
            "jobs": ",".join(_ranges(sorted(set(jobs)))),
            "timeout_s": round(timeout_s, 3),
        }
        return self._http.get("/jobs/ended", EndedJobs, query, held_s=timeout_s).ended

    def follow(self, job: int, *, attempt: int | None = None, offset: int = 0) -> Iterator[tuple[int, str]]:
        """(attempt, piece of its output) from an attempt (default: the last) and a byte of it on until the job has ended, over all attempts
        that come."""
        number = attempt or max(1, self.get(job).attempts)
        while True:
            for piece in self.logs(job, attempt=number, follow=True, offset=offset):
                offset += len(piece.encode())
                yield number, piece
            view = self.get(job)
            states = {each.attempt: each.state for each in view.history}
            job_ended = view.state in JOB_ENDED
            if states.get(number) in ATTEMPT_ENDED and (view.attempts > number or not job_ended):
                number, offset = number + 1, 0  # the stream of one that has not begun waits for it
            elif job_ended:
                return
            else:
                clock.sleep_s(LOG_AGAIN_S)  # the server ended the stream because it stops

    def output(
        self, job: int, *, attempt: int | None = None, tail: int | None = None, search: str | None = None
    ) -> tuple[int, str]:
        """Its last lines, or the lines that contain a text; and the byte at which they begin (0 for a search)."""
        query = {"attempt": attempt, "tail": tail, "search": search}
        failures = 0
        while True:
            try:
                with self._http.stream(f"/jobs/{job}/logs", query, idle_s=LOG_IDLE_S) as response:
                    text = response.read().decode(errors="replace")
                    return int(response.headers.get("herder-offset", "0")), text
            except UnreachableError as error:
                failures += 1
                self._pause(error, failures)

    def output_range(self, job: int, wanted: str, *, attempt: int | None = None) -> bytes:
        """Bytes of the output by a range as in HTTP: `0-999`, `5000-`, `-500` for the last ones."""
        headers = {"Range": f"bytes={wanted}"}
        failures = 0
        while True:
            try:
                with self._http.stream(
                    f"/jobs/{job}/logs", {"attempt": attempt}, headers, idle_s=LOG_IDLE_S
                ) as response:
                    return response.read()
            except UnreachableError as error:
                failures += 1
                self._pause(error, failures)

    def logs(
        self, job: int, *, attempt: int | None = None, follow: bool = False, offset: int = 0
    ) -> Iterator[str]:
        """The output in pieces; with `follow` until the job ends. A broken stream goes on where it broke off."""
        failures = 0
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while True:
            query = {"attempt": attempt, "offset": offset, "follow": follow}
            began = clock.monotonic_s()
            try:
                with self._http.stream(f"/jobs/{job}/logs", query, idle_s=LOG_IDLE_S) as response:
                    for piece in response.iter_bytes():
                        offset += len(piece)
                        yield decoder.decode(piece)
                return
            except UnreachableError as error:
                lived = clock.monotonic_s() - began > LOG_LIVED_S
                failures = 1 if lived else failures + 1
                self._pause(error, failures)

    def _pause(self, error: UnreachableError, failures: int) -> None:
        """Before the next try; raises the error after the last."""
        if failures > RETRIES and not self._http.goes_on:
            raise error
        self._http.tell_again(error, failures)
        clock.sleep_s(clock.spread(0.25 * 2 ** min(failures, RETRIES)))


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    """17, 18, 19, 25 as 17-19 and 25."""
    for _, some in groupby(enumerate(numbers), lambda place: place[1] - place[0]):
        run = [number for _, number in some]
        yield f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0])


def _ended(states: frozenset[str], seen: Callable[[V], None] | None) -> Callable[[V], bool]:
    def ended(view: V) -> bool:
        over = view.state in states
        if seen is not None and not over:
            seen(view)
        return over

    return ended


def message_body(message: str) -> dict[str, str] | None:
    return {"message": message} if message else None
