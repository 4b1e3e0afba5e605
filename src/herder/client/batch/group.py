"""A job group of a batch that is being built: it has counts of its own, and can be cancelled by itself.

Made by `Batch.group`, and by `JobGroup.group` for one below it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from herder.client.batch.job import Job

if TYPE_CHECKING:
    from herder.client.batch.batch import Batch


class JobGroup:
    """`path`: its name, behind those of the groups above it: `align/sample-1`."""

    def __init__(self, batch: "Batch", path: str) -> None:
        self._batch = batch
        self.path = path

    def new_job(self, name: str | None = None, *, attributes: Mapping[str, str] | None = None) -> Job:
        """A job of this group."""
        return self._batch.new_job(name, attributes=attributes).set(group=self.path)

    new_bash_job = new_job

    def group(
        self,
        name: str,
        *,
        attributes: Mapping[str, str] | None = None,
        cancel_after_n_failures: int | None = None,
        callback: str = "",
    ) -> "JobGroup":
        """One below it."""
        return self._batch.group(
            f"{self.path}/{name}",
            attributes=attributes,
            cancel_after_n_failures=cancel_after_n_failures,
            callback=callback,
        )

    def __str__(self) -> str:
        return f"Group {self.path}"
