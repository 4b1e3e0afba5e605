"""Compares one driver's machines with the worker rows in both directions: lost workers are closed and unknown machines removed, within
limits.

Called by the sweep loop, one `Comparison` for each driver. Unknown is not gone: a worker is closed only when two complete listings
lacked it (or one showed it as stopped), the provider says the same when asked for it alone, and its agent was not heard of
meanwhile. When more than a limit would be removed, nothing is: the driver is frozen until a person decides.
"""

import logging
from dataclasses import dataclass, field

from herder.control.drivers import calling, unknown_machines
from herder.control.drivers.calling import DriverFrozenError
from herder.control.drivers.removal_limit import EXPECTED, expected_workers, removals_most
from herder.control.kernel.core import Core
from herder.control.kernel.driver_notes import DriverNotes, Removal
from herder.engine.memory.events import record_event
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import may_be_off
from herder.engine.workers import worker as life
from herder.model.fleet.driver import DriverError, Listing, Machine, NotFound, Phase
from herder.model.fleet.driver_capabilities import FirstHand
from herder.model.ids import WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.phrases import agree, clause, counted, sentence, sentences

log = logging.getLogger(__name__)

#: So long a new machine may be absent from listings that have never shown it: providers' listings lag behind their creations.
NEW_MACHINE_MS = 15_000
#: The brake looks back this far.
BRAKE_MS = 60_000
#: Most machines that one sweep closes or removes, also where a person has allowed it.
AT_A_TIME = 100
#: Absence is remembered from one complete listing to the next for this long, or for so many periods of the sweep. Listings further apart
#: are two looks at different times: a machine that was denied at both has been there in between.
REMEMBERED_MS, REMEMBERED_PERIODS = 120_000, 4
#: The clock counts as set when it has gone apart from the monotonic one by more than this.
CLOCK_SET_MS = 500
_OVER = frozenset({Phase.STOPPED, Phase.FAILED, Phase.GONE})


@dataclass(slots=True)
class Comparison:
    core: Core
    driver: str
    listed: set[WorkerName] = field(default_factory=set)
    """Workers that a listing has shown."""
    absent: dict[WorkerName, int] = field(default_factory=dict)
    """Workers that complete listings lacked, and when (wall clock) the first of them was asked for."""
    stopped: dict[WorkerName, Machine] = field(default_factory=dict)
    """Machines of which the provider has confirmed that they have ended."""
    _ahead_ms: int = 0
    _complete_ms: int = 0
    """When the last complete listing had come, on the monotonic clock."""

    @property
    def notes(self) -> DriverNotes:
        return calling.notes_of(self.core, self.driver)

    async def once(self) -> None:
        """One listing and what follows from it. Raises DriverError when there was none."""
        core = self.core
        if not self.notes.usable or not calling.may_be_called(core, self.driver):
            await calling.health(core, self.driver)
            await self.heard(None)
            if not calling.may_be_called(core, self.driver):
                return
        began_ms = core.clock.now_ms()  # not before the question above: what was made during it is new
        ahead_ms = began_ms - core.clock.monotonic_ms()
        if abs(ahead_ms - self._ahead_ms) > CLOCK_SET_MS:
            self._ahead_ms = ahead_ms
            self.absent.clear()  # the clock was set: what was noted is of another time
        before = {worker.spec.name for worker in self._expected()}
        asked_ms = core.clock.monotonic_ms()
        listing = await calling.listing(core, self.driver)
        self._forget(listing, asked_ms)
        await self.heard(None)
        room = self._room(len(before))
        lost = await self._lost(before, listing, began_ms, room)
        await unknown_machines.note(self.core, self.driver, listing)
        self.notes.missing = dict(self.absent)
        decided = len(self.notes.decided)
        await self._remove(sorted(self.notes.decided)[:AT_A_TIME], counted=False)
        suspicious = unknown_machines.suspicious(self.notes)
        if (len(lost) > room or len(suspicious) > self._bound(len(before))) and not self._allowed():
            # The rest of what a person decided about goes first: a frozen driver removes nothing.
            if not 0 < len(self.notes.decided) < decided:
                await self._brake(lost, suspicious, len(before), room)
            return
        await self._close(lost)
        due = unknown_machines.due(self.core, self.notes, allowed=self._allowed())
        await self._remove(due[: max(0, min(room - len(lost), AT_A_TIME))])

    async def heard(self, error: DriverError | None) -> None:
        """Whether the driver can be used, told when it changes."""
        usable, name = error is None, self.driver
        if self.notes.usable is usable:
            return
        changes, first = Changes(), self.notes.usable is None
        self.notes.usable = usable
        if error is not None:
            text = f"Driver {name} cannot be used: {clause(error)}. Its workers are not changed; Herder tries again."
            record_event(
                self.core.state,
                changes,
                self.core.clock.now_ms(),
                "driver.unavailable",
                f"driver/{name}",
                text,
            )
        elif not first:
            text = f"Driver {name} can be used again."
            record_event(
                self.core.state, changes, self.core.clock.now_ms(), "driver.recovered", f"driver/{name}", text
            )
        if not changes.empty:
            await self.core.commit(changes)

    # --- what is lost

    def _expected(self) -> list[WorkerLife]:
        return expected_workers(self.core, self.driver)

    async def _lost(
        self, before: set[WorkerName], listing: Listing, began_ms: int, room: int
    ) -> list[WorkerLife]:
        """At most one more than there is room for: then nothing is closed anyway. What a first-hand driver saw stop is closed here."""
        found = {machine.worker: machine for machine in listing.machines}
        self.listed = {name for name in self.listed | set(found) if name in before or name in found}
        # Only workers that were expected before the listing began, and still are, can be missed by it.
        now = [worker for worker in self._expected() if worker.spec.name in before]
        self.absent = {
            worker.spec.name: self.absent[worker.spec.name]
            for worker in now
            if worker.spec.name in self.absent and worker.spec.name not in found
        }
        lost: list[WorkerLife] = []
        self.stopped.clear()
        for worker in now:
            machine = found.get(worker.spec.name)
            if not self._missed(worker, machine, listing.complete, began_ms) or not await self._confirmed(
                worker
            ):
                continue
            # Asked for this one, the provider must still show it: what it does not show may only be hidden from it.
            if worker.spec.name in self.stopped and self._first_hand():
                await self._close([worker], counted=False)
                continue
            lost.append(worker)
            if len(lost) > room:
                break
        return lost

    def _forget(self, listing: Listing, asked_ms: int) -> None:
        """Absence that the complete listing before this one showed too long ago."""
        if not listing.complete:
            return
        most_ms = max(REMEMBERED_MS, REMEMBERED_PERIODS * round(self.core.settings.sweep_period_s * 1000))
        if asked_ms - self._complete_ms > most_ms:
            self.absent.clear()
        self._complete_ms = self.core.clock.monotonic_ms()

    def _missed(self, worker: WorkerLife, machine: Machine | None, complete: bool, began_ms: int) -> bool:
        name = worker.spec.name
        if machine is not None:
            return _over(worker, machine, began_ms) and (worker.last_seen_at_ms or 0) <= began_ms
        since_ms = self.absent.get(name)
        if since_ms is None:
            made_ms = worker.provisioned_at_ms or worker.requested_at_ms
            known = name in self.listed or not 0 <= began_ms - made_ms < NEW_MACHINE_MS
            if complete and known:
                self.absent[name] = began_ms
            return False
        long_enough = began_ms - since_ms >= self.core.settings.sweep_missing_delay_s * 1000
        return complete and not self._heard_since(worker, since_ms) and long_enough

    def _heard_since(self, worker: WorkerLife, since_ms: int) -> bool:
        """Whoever calls us is there, whatever its provider says."""
        if worker.last_seen_at_ms is None or worker.last_seen_at_ms <= since_ms:
            return False
        self.absent[worker.spec.name] = worker.last_seen_at_ms
        return True

    async def _confirmed(self, worker: WorkerLife) -> bool:
        """Whether the provider, asked for this one, says the same. No answer is no confirmation."""
        name = worker.spec.name
        try:
            machine = await calling.get(self.core, self.driver, name)
        except NotFound:
            return worker.state in EXPECTED
        except DriverError as error:
            log.warning(
                "Driver %s cannot report whether worker %s still exists: %s.",
                self.driver,
                name,
                clause(error),
                extra={"driver": self.driver, "worker": name},
            )
            return False
        self.absent.pop(name, None)
        self.stopped[name] = machine
        return _over(worker, machine, self.core.clock.now_ms()) and worker.state in EXPECTED

    def _first_hand(self) -> bool:
        driver = self.core.drivers[self.driver]
        return isinstance(driver, FirstHand) and driver.first_hand

    async def _close(self, lost: list[WorkerLife], *, counted: bool = True) -> None:
        now_ms = self.core.clock.now_ms()
        with self.core.change(Changes()) as changes:
            for worker in lost:
                if worker.state in EXPECTED:
                    self.absent.pop(worker.spec.name, None)
                    stopped = self.stopped.get(worker.spec.name)
                    life.machine_gone(self.core.state, changes, worker, now_ms, stopped)
                    if counted:
                        self.notes.removed_ms.append(self.core.clock.monotonic_ms())
        if not changes.empty:
            self.core.workers_changed.set()
            await self.core.commit(changes)

    # --- machines without a worker row

    async def _remove(self, orphans: list[WorkerName], *, counted: bool = True) -> None:
        """`counted`: against the limit; what a person has decided is not."""
        for worker in orphans:
            if worker in self.core.state.workers:
                self.notes.decided.pop(worker, None)
                continue
            try:
                await calling.delete(self.core, self.driver, worker)
            except NotFound:
                self.notes.decided.pop(worker, None)
                continue  # the listing was late
            except DriverFrozenError:
                return
            except DriverError as error:
                log.warning(
                    "Driver %s cannot remove the machine %s, which belongs to no worker: %s.",
                    self.driver,
                    worker,
                    clause(error),
                )
                continue
            if counted:
                self.notes.removed_ms.append(self.core.clock.monotonic_ms())
            self.notes.unknown.pop(worker, None)
            self.notes.note_ended(worker, self.core.clock.monotonic_ms())
            await self._told_removed(worker, self.notes.decided.pop(worker, None))

    async def _told_removed(self, worker: WorkerName, decided: Removal | None) -> None:
        """With the person who decided it, if one did."""
        actor, message = ("herder", "") if decided is None else (decided.actor, decided.message)
        text = f"Driver {self.driver} listed machine {worker}, which belongs to no worker. It was removed."
        told, now_ms, changes = sentences(text, sentence(message)), self.core.clock.now_ms(), Changes()
        about = f"worker/{worker}"
        record_event(self.core.state, changes, now_ms, "worker.orphan", about, told, actor=actor)
        await self.core.commit(changes)

    # --- the brake

    def _allowed(self) -> bool:
        return self.core.clock.monotonic_ms() < self.notes.removals_allowed_until_ms

    def _bound(self, fleet: int) -> int:
        return removals_most(self.core, fleet)

    def _room(self, fleet: int) -> int:
        """How many more may go now."""
        if self._allowed():
            return AT_A_TIME
        return max(0, self._bound(fleet) - self._recent())

    def _recent(self) -> int:
        """How many have gone within the last minute, which count against the limit."""
        now_ms = self.core.clock.monotonic_ms()
        return sum(now_ms - at_ms < BRAKE_MS for at_ms in self.notes.removed_ms)

    async def _brake(self, lost: list[WorkerLife], orphans: list[WorkerName], fleet: int, room: int) -> None:
        """`room`: what the number of the lost was compared with; that of the unknown machines is compared with the whole limit."""
        name, bound, recent, gone = self.driver, self._bound(fleet), self._recent(), len(lost) > room
        others = (
            f"{counted(recent, 'other')} {agree(recent, 'was', 'were')} closed or removed in the last minute"
        )
        in_all = f". {others}, which makes {len(lost) + recent} in all," if recent else ","
        what = (
            f"the provider reports that at least {len(lost)} of its {counted(fleet, 'worker')} no longer {agree(len(lost), 'exists', 'exist')}{in_all} more than the limit of {bound} in a minute"
            if gone
            else f"the provider lists {counted(len(orphans), 'machine')} that {agree(len(orphans), 'belongs', 'belong')} to no worker, more than the limit of {bound}"
        )
        remedy = (
            f"If the report is right, run `herder driver unfreeze {name} --allow-removals`; if it is wrong, run `herder driver unfreeze {name}`."
            if gone
            else f"Run `herder admin sweep --driver {name}` to see them, and adopt or remove them there."
        )
        await calling.freeze(
            self.core,
            name,
            f"Driver {name} is frozen: {what}. Nothing was removed. Check the provider. {remedy}",
            by_sweep=True,
        )


def _over(worker: WorkerLife, machine: Machine, now_ms: int) -> bool:
    """Whether it will not run again. One that a repair restarts is off for a while; one that is not there at all is not."""
    off = machine.phase is Phase.STOPPED and may_be_off(worker.health, now_ms)
    return machine.phase in _OVER and not off
