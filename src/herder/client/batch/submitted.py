"""A batch that the server has: wait for it, look at its jobs, read results and output, cancel it.

Made by `Batch.submit`, and by its number with `SubmittedBatch(17)`. Each call makes its own connection, so nothing need be closed.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from herder.client.client import HerderClient
from herder.client.connection import connect
from herder.wire.api.work import BatchView, GroupView, JobView

FAILURES_SHOWN = 3
LOOK_S = 1.0


class BatchFailedError(Exception):
    """A batch ended and not all of its jobs succeeded. `batch` is the SubmittedBatch, `view` its state at the end."""

    def __init__(self, batch: "SubmittedBatch", view: BatchView) -> None:
        self.batch = batch
        self.view = view
        counts = ", ".join(f"{count:,} {state}" for state, count in view.counts.items() if count)
        failed = batch.jobs(state="failed", limit=FAILURES_SHOWN)
        said = "".join(f"\n  job {each.id} ({each.key or 'no name'}): {each.message}" for each in failed)
        hint = f"See `herder job logs --batch {batch.id} --state failed`."
        super().__init__(f"Batch {batch.id} {view.state}: {counts}. {hint}{said}")


class SubmittedBatch:
    """`id` is its number, as in `herder batch get`."""

    def __init__(
        self, number: int, *, client: Callable[[], HerderClient] = connect, folder: Path | None = None
    ) -> None:
        self.id = number
        self._client = client
        self._folder = folder

    def status(self) -> BatchView:
        """State, counts by state of the jobs, and cost."""
        with self._client() as client:
            return client.batches.get(self.id)

    def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> BatchView:
        """Until all jobs have ended. Raises TimedOutError. `progress`: as in `Batch.run`."""
        with self._client() as client, _progress(self.id, progress) as seen, client.http.patient():
            view = client.batches.wait(self.id, timeout_s, seen=seen, look_s=LOOK_S if seen else None)
            if seen is not None:
                seen(view)
        return view

    def jobs(
        self, *, state: str | None = None, group: str | None = None, limit: int | None = None
    ) -> list[JobView]:
        """In the order in which they were added. `group`: only those of this job group, and of those below it."""
        with self._client() as client:
            return list(client.jobs.list(batch=self.id, state=state, group=group, limit=limit))

    def groups(self) -> dict[str, GroupView]:
        """Its job groups by their paths: state, and counts by state of the jobs, those of the groups below it included."""
        with self._client() as client:
            return {each.path: each for each in client.batches.groups(self.id)}

    def results(self) -> dict[str, Any]:
        """What its jobs wrote to `$HERDER_RESULT`, by name (by number where a job has none); without those that have not ended."""
        found: dict[str, Any] = {}
        names = {each.id: each.key or str(each.id) for each in self.jobs() if each.ended_at is not None}
        left = sorted(names)
        with self._client() as client:
            while left:
                some = client.jobs.ended(left[:1_000], 0)
                if not some:
                    break
                found.update((names[each.id], each.result) for each in some)
                left = sorted(set(left) - {each.id for each in some})
        return found

    def output(self, name: str) -> str:
        """What the job of this name has printed, its stderr included."""
        with self._client() as client:
            job = next(client.jobs.list(batch=self.id, name=name, limit=1), None)
            if job is None:
                raise KeyError(f"Batch {self.id} has no job of the name {name!r}.")
            return "".join(client.jobs.logs(job.id))

    def cancel(self, message: str = "", *, group: str | None = None) -> None:
        """Cancels what has not ended; running attempts are stopped. `group`: only this job group, and those below it."""
        with self._client() as client:
            if group is None:
                client.batches.cancel(self.id, message)
            else:
                client.batches.cancel_group(self.id, group, message)

    def remove_files(self) -> None:
        """Removes the folder that was made on this machine for the files that its jobs hand on."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __repr__(self) -> str:
        return f"SubmittedBatch({self.id})"

    def _repr_html_(self) -> str:
        """As notebooks show it."""
        view = self.status()
        rows = "".join(
            f"<tr><td>{escape(state)}</td><td>{count:,}</td></tr>" for state, count in view.counts.items()
        )
        title = escape(f"Batch {view.id}{f' {view.name}' if view.name else ''}: {view.state}")
        return f"<table><caption>{title}, ${escape(view.cost_usd)}</caption>{rows}</table>"


@contextmanager
def _progress(number: int, wanted: bool | None) -> Iterator[Callable[[BatchView], None] | None]:
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules if wanted is None else wanted):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"batch {number}", total=None, failed="")

        def seen(view: BatchView) -> None:
            ended = sum(view.counts.get(each, 0) for each in ("succeeded", "failed", "cancelled", "skipped"))
            failed = view.counts.get("failed", 0)
            bar.update(task, total=view.jobs, completed=ended, failed=f"{failed:,} failed" if failed else "")

        yield seen
