"""One story of several workers on a played Proxmox cluster, and what must be true when it has ended, wherever the server died in it.

Two workers are made for two jobs, one of them hangs and is restarted by the ladder of repairs, a VM that no row knows is swept, and all
are removed when they are idle. `points` numbers every effect of the server: calls of the provider, commits and answers.
`python -m tests.proxmox.crash_story` runs a death at each of them and prints their number.
"""

import hashlib
import logging
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace

from herder.model.fleet.driver import MachineTags
from herder.model.fleet.repair import Condition, RepairPolicy, RepairRule, Rung
from herder.model.ids import PoolName
from herder.model.work.job import JobState
from herder.remote.proxmox.machines.names import iso_name, tags_for, vm_name
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.proxmox import Vm
from tests.proxmox.simulated import POOL, ProxmoxWorld
from tests.simulation.fleet import check_rest, states_of

#: Its row was never there, as if it were of a server that lost its store.
STRAY, STRAY_VMID = "burst-1-77", 29_000
REPAIRED = replace(
    POOL,
    repair=RepairPolicy(
        rules=(
            RepairRule(condition=Condition.NOT_READY, after_s=20, rung=Rung.REBOOT),
            RepairRule(condition=Condition.NOT_READY, after_s=300, rung=Rung.REPLACE),
        ),
        cooldown_s=60,
    ),
)
SETTINGS = {"sweep_period_s": 20.0, "sweep_delay_s": 30.0, "poll_s": 10.0}
WITHIN_S = 1_500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    number: int
    what: str
    state: str
    """What a server that starts here would find: equal for two points between which nothing has changed at the provider or in the store."""


class CrashWorld(ProxmoxWorld):
    """The server dies at the effect with this number; 0: at none."""

    def __init__(self, at: int = 0) -> None:
        super().__init__(pools=(REPAIRED,), core_settings=SETTINGS)
        self.at, self.number, self.died_at = at, 0, ""
        self.points: list[Point] = []
        self._writes = 0
        self.written.append(lambda _changes: self._wrote())
        self.dies = self._dies_at
        self._add_stray()

    def _wrote(self) -> None:
        self._writes += 1

    def _dies_at(self, what: str) -> bool:
        self.number += 1
        if not self.at:
            self.points.append(Point(number=self.number, what=what, state=self._state()))
        if self.number == self.at:
            self.died_at = what
            return True
        return False

    def _state(self) -> str:
        state = self.cluster.state
        vms = [(vm.vmid, vm.node, vm.running, sorted(vm.config.items())) for vm in state.vms.values()]
        files = [(storage.node, name) for storage in state.storages.values() for name in storage.files]
        tasks = [(task.upid, task.exit_status) for task in state.tasks.values()]
        text = repr((self._writes, vms, files, tasks))
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def _add_stray(self) -> None:
        tags = tags_for(
            "herder", INSTALLATION, STRAY, STRAY_VMID, MachineTags(pool=PoolName("burst"), template="small")
        )
        state, iso = self.cluster.state, iso_name(INSTALLATION, STRAY)
        state.storage("pve1", "local").files[iso] = b"old"
        state.storage("pve1", "local").volumes[iso] = 3
        config = {"name": vm_name(INSTALLATION, STRAY), "tags": ";".join(tags)}
        state.vms[STRAY_VMID] = Vm(vmid=STRAY_VMID, node="pve1", config=config, running=True)


async def story(base: ProxmoxWorld) -> None:
    for _ in range(2):
        await base.people.submit(cpu=2, memory="3Gi", sleep_ms=15_000, retries=1, attempts_max=100)
    await base.until(lambda: JobState.RUNNING in states_of(base).values(), WITHIN_S, "a job runs")
    base.loop.stop_host(base.machines.agents[min(base.machines.agents)])
    await base.until(base.at_rest, WITHIN_S, "nothing is left over")
    await base.core.settle()
    check_rest(base)
    assert base.doubled == []
    assert set(states_of(base).values()) == {JobState.SUCCEEDED}
    assert STRAY_VMID not in base.cluster.state.vms


def all_points() -> list[Point]:
    world = CrashWorld()
    world.run(story)
    return world.points


def different(points: list[Point]) -> list[Point]:
    """One for each state that a restarted server could find: the last one before the state changes."""
    found = {point.state: point for point in points}
    return sorted(found.values(), key=lambda point: point.number)


def run(number: int) -> CrashWorld:
    world = CrashWorld(number)
    world.run(story)
    return world


def told(points: list[Point], tried: int) -> str:
    of_provider = sum(point.what.startswith(("before ", "after ")) for point in points)
    commits = sum(point.what in ("commit", "committed") for point in points)
    return (
        f"{len(points)} points: {of_provider} at calls of Proxmox, {commits} at commits, {len(points) - of_provider - commits} others. "
        f"They have {len(different(points))} different states. A server died at {tried} of them."
    )


def main(every: int) -> int:
    logging.disable()
    began, points, failed = time.process_time(), all_points(), 0
    for point in points[::every]:
        try:
            run(point.number)
        except Exception as error:  # noqa: BLE001 - each is printed, and counted
            failed += 1
            print(f"FAILED at {point.number} ({point.what}): {type(error).__name__} {error}", flush=True)
    print(
        told(points, len(points[::every])), f"{failed} failed.", f"{time.process_time() - began:.0f} CPU-s."
    )
    print(Counter(point.what for point in points).most_common())
    return failed


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("EVERY", "1"))))
