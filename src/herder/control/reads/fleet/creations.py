"""What people see of creations: the step of a worker that is not ready, what it waits for, and what each driver is making.

From memory; called by the other reads. It changes nothing and calls no provider.
"""

from collections import Counter

from herder.control.drivers.calling import limits_of
from herder.control.drivers.turns import waiting_text
from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.creation import creation_of, under_way
from herder.model.fleet.creation import Step, read_creation
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.values.phrases import counted
from herder.model.values.times import iso, span
from herder.wire.api.drivers import CreationsView
from herder.wire.api.resources import WorkerView

#: Steps that the driver itself reports before a machine runs, of workers in these states.
_MAKING = (WorkerState.REQUESTED, WorkerState.PROVISIONING, WorkerState.JOINING)


def add_step(core: Core, worker: WorkerLife, view: WorkerView) -> None:
    """Of a live worker."""
    if not worker.state.in_flight:
        return
    creation = creation_of(worker)
    view.step, view.step_since, view.tries = creation.step.value, iso(creation.since_ms), creation.tries
    view.step_text = step_text(core, worker)


def add_failed_step(text: str, view: WorkerView) -> None:
    """Of one that has ended: `text` is what its row says of its creation."""
    creation = read_creation(text)
    if creation is not None:
        view.step, view.step_since, view.tries = creation.step.value, iso(creation.since_ms), creation.tries


def step_text(core: Core, worker: WorkerLife) -> str:
    """A sentence: the step, since when, and what it waits for; empty when it is no creation."""
    if not worker.state.in_flight:
        return ""
    creation, now_ms, driver = creation_of(worker), core.clock.now_ms(), worker.spec.driver
    name = worker.spec.name
    if creation.step is Step.CLAIM:
        notes = core.driver_notes.get(driver)
        why = notes.waiting.get(name, "") if notes is not None else ""
        if why:
            return f"{name} waits for its turn at driver {driver}: {why}."
        return f"{name} waits for driver {driver}."
    if creation.since_ms > now_ms:
        limit, wait = limits_of(core, driver).create_tries, span(creation.since_ms - now_ms)
        return f"{name} is in step {creation.step}: tries failed: {creation.tries} of {limit}; the next is in {wait}."
    return f"{name} has been in step {creation.step} for {span(now_ms - creation.since_ms)}."


def creations_view(core: Core, driver: str) -> CreationsView:
    limits = limits_of(core, driver)
    mine = [worker for worker in core.state.workers.values() if worker.spec.driver == driver]
    steps = Counter(creation_of(worker).step.value for worker in mine if worker.state in _MAKING)
    return CreationsView(
        under_way=sum(under_way(worker) for worker in mine),
        most=limits.parallel_creates,
        waiting=steps[Step.CLAIM.value],
        waiting_text=waiting_text(core, driver),
        steps={step.value: steps[step.value] for step in Step if steps[step.value]},
    )


def failures_text(core: Core, pool: PoolName) -> str:
    """A sentence: creations of the pool that failed since the server started, by cause and step; empty when none did."""
    found = {
        (cause, step): count
        for (name, cause, step), count in sorted(core.state.creation_failures.items())
        if name == pool
    }
    if not found:
        return ""
    said = ", ".join(f"{count} {cause} in step {step}" for (cause, step), count in found.items())
    return (
        f"{counted(sum(found.values()), 'creation')} of pool {pool} failed since the server started: {said}."
    )
