"""Rules after the faults stop: each accepted job ends, and the fleet reaches what the policy wants and stays there."""

import asyncio
from collections.abc import Callable

from sqlalchemy import select

from herder.model.fleet.worker import WorkerState
from herder.model.work.job import JobState
from herder.simulate.chaos.rules.callback_rules import CallbackRules
from herder.simulate.chaos.rules.watch import Watch
from herder.simulate.chaos.world import World
from herder.store.rows.tables import jobs

MINUTE_S = 60.0
#: Maximum time until all jobs have ended, and then until the fleet has shrunk: workers with a ttl exist for hours.
ENDS_WITHIN_S = 2 * 86_400.0
SHRINKS_WITHIN_S = 86_400.0
#: Maximum number of workers created in an hour at rest: none is needed.
MADE_PER_HOUR = 2


class Rest:
    def __init__(self, world: World, watch: Watch) -> None:
        self._world, self._watch = world, watch

    async def wait(self) -> None:
        world = self._world
        await self._until(self._jobs_ended, ENDS_WITHIN_S)
        if self._watch.found:
            return
        if not self._jobs_ended():
            self._watch.take("each accepted job ends", f"Jobs do not end: {world.left()}.")
            return
        self._all_accepted()
        await self._until(self._watch.intake.producers.all_ended, ENDS_WITHIN_S)
        self._watch.take_all(self._watch.intake.at_rest(self._world.engine))
        callbacks = CallbackRules(world)
        await self._until(callbacks.nothing_due, ENDS_WITHIN_S)
        self._watch.take_all(callbacks.at_rest())
        self._watch.take_all(self._watch.secrets.at_rest())
        await self._until(self._as_wanted, SHRINKS_WITHIN_S)
        if self._watch.found:
            return
        if not self._as_wanted():
            self._watch.take(
                "the fleet reaches what the policy wants",
                f"The fleet is not what its pools want {SHRINKS_WITHIN_S / 3600:.0f} h after the last job: {world.left()}.",
            )
            return
        before = len(self._watch.workers.ended) + len(self._watch.workers.rows)
        await self._until(lambda: False, 2 * 3600.0)
        made = len(self._watch.workers.ended) + len(self._watch.workers.rows) - before
        if made > 2 * MADE_PER_HOUR:
            self._watch.take(
                "a fleet at rest stays as it is",
                f"{made} workers were created in 2 h without demand.",
            )

    async def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        end_s = self._world.loop.time() + within_s
        while self._world.loop.time() < end_s and not self._watch.found and not holds():
            await asyncio.sleep(MINUTE_S)
            self._watch.minute(MINUTE_S)

    def _jobs_ended(self) -> bool:
        server = self._world.server
        if server is None:
            return False
        counts = server.core.state.counts
        waiting = sum(counts[each] for each in JobState if not each.ended)
        return not (waiting or server.core._sweeps or self._world.queue.queue or self._world.queue.leases)

    def _all_accepted(self) -> None:
        """The jobs in the store are exactly the accepted ones, all ended, and each success was executed."""
        with self._world.engine.connect() as connection:
            states = {
                row.id: JobState(row.state) for row in connection.execute(select(jobs.c.id, jobs.c.state))
            }
        accepted = self._watch.accepted()
        lost = sorted(accepted - set(states))
        if lost:
            self._watch.take("nothing accepted is lost", f"Jobs {lost[:5]} were accepted but do not exist.")
        doubled = sorted(set(states) - accepted)
        if doubled:
            self._watch.take(
                "nothing is accepted twice",
                f"Jobs {doubled[:5]} exist, but no submission was answered with them.",
            )
        open_ = sorted(job for job in accepted & set(states) if not states[job].ended)
        if open_:
            self._watch.take("each accepted job ends", f"Jobs {open_[:5]} have not ended.")
        undone = sorted(
            job
            for job, state in states.items()
            if state is JobState.SUCCEEDED and not self._world.machines.done[job]
        )
        if undone:
            self._watch.take("a success was done", f"Jobs {undone[:5]} succeeded but were never executed.")

    def _as_wanted(self) -> bool:
        """Each pool is at its minimum, and each worker has a machine and vice versa."""
        server = self._world.server
        if server is None:
            return False
        state = server.core.state
        machines = {str(name) for provider in self._world.providers.values() for _, name in provider.machines}
        machines |= self._watch.workers_of_jobs()
        if machines != {str(name) for name in state.workers}:
            return False
        kube = self._world.kube
        nodes = {str(name) for name, worker in state.workers.items() if worker.spec.cluster}
        if kube is not None and {each["metadata"]["name"] for each in kube.nodes()} != nodes:
            return False
        counts = dict.fromkeys(state.pools, 0)
        for worker in state.workers.values():
            if worker.state is not WorkerState.READY:
                return False
            counts[worker.spec.pool] += 1
        return all(counts[name] == pool.size.min_workers for name, pool in state.pools.items())
