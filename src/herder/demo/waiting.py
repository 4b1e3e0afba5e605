"""How scenes of a story wait: for what the server and the played world say, each wait with its own limit. Used by the scenes."""

from collections.abc import Callable
from typing import TypeVar

from herder.cli.shell.exit_codes import CommandError
from herder.client import HerderClient
from herder.client.http import clock
from herder.demo.telling import Teller
from herder.wire.api.resources import EventView, WorkerView

_T = TypeVar("_T")
LOOK_S = 0.25
#: Of one thing that a scene waits for. On two free cores the longest takes 15 s.
WAIT_MAX_S = 60.0


class Waiting:
    def __init__(self, client: HerderClient, tell: Teller, alive: Callable[[], bool]) -> None:
        self.client, self.tell, self._alive = client, tell, alive
        self._seen = 0
        self._events: list[EventView] = []

    def until(self, what: str, test: Callable[[], _T | None], most_s: float = WAIT_MAX_S) -> _T:
        """What `test` answers, as soon as it is true. Raises CommandError that names the scene and `what`."""
        deadline_s = clock.monotonic_s() + most_s
        while True:
            self._look()
            found = test()
            if found:
                return found
            if clock.monotonic_s() > deadline_s:
                latest = f" The latest event: {self._events[-1].text}" if self._events else ""
                raise CommandError(
                    f"Scene {self.tell.number} ({self.tell.scene}) did not happen within {most_s:g} s: {what}.{latest}",
                    hint="The machine may be too busy. Run the demo again.",
                )
            clock.sleep_s(LOOK_S)

    def _look(self) -> None:
        """New events."""
        if not self._alive():
            raise CommandError("The server ended before the story had ended.")
        for event in self.client.events.list(after=self._seen):
            self._seen = event.sequence
            self._events.append(event)
            self.happened(event)

    def happened(self, event: EventView) -> None:
        """What must be done about it at once, whatever is waited for."""

    def found(self, kind: str, subject: str, words: str = "") -> EventView | None:
        """The first event of this kind, whose text has these words."""
        for event in self._events:
            if (event.kind, event.object) == (kind, subject) and words in event.text:
                return event
        return None

    def event(self, kind: str, worker: str, words: str = "") -> EventView:
        what = f"worker {worker} has no event {kind}"
        return self.until(what, lambda: self.found(kind, f"worker/{worker}", words))

    def told(self, kind: str, worker: str, words: str = "") -> None:
        event = self.event(kind, worker, words)
        self.tell.fact(event.text, event.at)

    # --- workers

    def workers(self, pool: str, count: int = 1) -> list[WorkerView]:
        """As soon as there are so many."""

        def found() -> list[WorkerView] | None:
            rows = sorted(
                self.client.workers.list(pool=pool), key=lambda each: (each.requested_at, each.name)
            )
            return rows if len(rows) >= count else None

        return self.until(f"pool {pool} does not have {count} workers", found)

    def ready(self, pool: str, count: int) -> list[WorkerView]:
        def found() -> list[WorkerView] | None:
            rows = sorted(
                self.client.workers.list(pool=pool, state="ready"),
                key=lambda each: (each.requested_at, each.name),
            )
            return rows if len(rows) >= count else None

        return self.until(f"pool {pool} does not have {count} ready workers", found)
