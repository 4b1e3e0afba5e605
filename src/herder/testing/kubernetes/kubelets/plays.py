"""What a kubelet remembers of one pod on its machine, and its next step in it."""

from dataclasses import dataclass
from typing import Protocol

from herder.testing.kubernetes.kubelets.outcomes import Outcome


class Container(Protocol):
    """What runs as the first container of a pod: a process, or what a simulated world plays in its place."""

    @property
    def poll_ms(self) -> int | None:
        """It is asked so often whether it has ended; None: it says so itself (`Kubelets.look_at`)."""

    @property
    def reason(self) -> str:
        """Of its end, where it is not `Completed` or `Error`."""

    def exit_code(self) -> int | None:
        """None: it runs."""

    def log(self) -> bytes: ...

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""

    def clear(self) -> None:
        """End it at once, and remove what is left of it."""


@dataclass(slots=True, kw_only=True)
class Play:
    uid: str
    machine: str
    outcome: Outcome
    start_ms: int
    """When its containers start."""
    started_ms: int | None = None
    process: Container | None = None
    restarts: int = 0
    stopping: bool = False
    stopped_ms: int | None = None
    """When it has stopped at the latest, once it was asked to."""
    pull_failures: int = 0
    last_log: bytes = b""

    @property
    def end_ms(self) -> int | None:
        """When a played one ends."""
        if self.started_ms is None or self.outcome.run_ms is None:
            return None
        return self.started_ms + self.outcome.run_ms

    def ended(self, now_ms: int) -> tuple[int, str] | None:
        """Exit code and reason of a container that has ended by itself."""
        if self.process is not None:
            code = self.process.exit_code()
            return (
                None
                if code is None
                else (code, self.process.reason or ("Completed" if code == 0 else "Error"))
            )
        end_ms = self.end_ms
        if end_ms is None or now_ms < end_ms:
            return None
        return self.outcome.exit_code, self.outcome.why

    def log(self) -> bytes:
        if self.process is not None:
            return self.process.log()
        return self.outcome.log or self.last_log

    def clear(self) -> None:
        if self.process is not None:
            self.last_log = self.process.log()
            self.process.clear()
            self.process = None
