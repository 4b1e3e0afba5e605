"""The jobs of a batch in the form in which they are sent, each made when it is asked for: a batch may have a million of them.

Made by `Batch` for one submission, and read in bunches by the client.
"""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import overload

import msgspec

from herder.client.batch.job import Job
from herder.client.batch.resources import FOLDER_VARIABLE
from herder.wire.api.work import JobSubmission
from herder.wire.data import DataPath
from herder.wire.worker.exchange import ContainerOptions, Mount


@contextmanager
def _without_collections() -> Iterator[None]:
    """While one bunch is made, nothing becomes garbage, and looking for it among a million jobs takes longer than to make the bunch."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


class Submissions(Sequence[JobSubmission]):
    def __init__(
        self,
        jobs: Sequence[Job],
        urls: Sequence[DataPath] = (),
        folder: Path | None = None,
        mounted: Path | None = None,
    ) -> None:
        """`urls`: the inputs of the batch; `folder`: of the files that jobs hand on; `mounted`: what jobs in containers see of it."""
        self._jobs, self._urls = jobs, urls
        self._folder = "" if folder is None else str(folder)
        self._mounted = str(mounted)
        self._names = Counter(each._name for each in jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, index: int) -> JobSubmission: ...

    @overload
    def __getitem__(self, index: slice) -> list[JobSubmission]: ...

    def __getitem__(self, index: int | slice) -> JobSubmission | list[JobSubmission]:
        """Raises ValueError of a job that cannot be sent."""
        if isinstance(index, slice):
            with _without_collections():
                return [self._of(place) for place in range(*index.indices(len(self._jobs)))]
        return self._of(range(len(self._jobs))[index])

    def _of(self, place: int) -> JobSubmission:
        job = self._jobs[place]
        made = job._submission(self._urls)
        if job._name:
            made.key = job._name if self._names[job._name] == 1 else f"{job._name}-{place}"
        if self._folder:
            made.env = {**made.env, FOLDER_VARIABLE: self._folder}
            if made.image:
                options = made.container or ContainerOptions()
                mounts = [*options.mounts, Mount(source=self._mounted, target=self._mounted)]
                made.container = msgspec.structs.replace(options, mounts=mounts)
        return made
