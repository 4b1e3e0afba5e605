"""Warnings about the steps of a pool's creations and the creation settings of its driver. Called by `lint`; pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from herder.model.fleet.creation import DEFAULT_STEPS, OF_DRIVERS, ORDER, CreationLimits, Step
from herder.model.fleet.pool import PoolSpec
from herder.model.values.phrases import listed
from herder.settings.sections.creations import limits_over
from herder.settings.sections.server import DriverSettings
from herder.settings.syntax.durations import format_duration

Finding = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""


def creation_findings(
    pool: PoolSpec, files: Mapping[str, Any], driver_of: Callable[[str], DriverSettings | None]
) -> Iterator[Finding]:
    """`files`: as they are written; `driver_of`: a driver of the pool, where they name it."""
    written = (files.get("pools") or {}).get(pool.name) or {}
    steps = written.get("step_timeouts")
    named = {Step(name) for name in steps if name in list(ORDER)} if isinstance(steps, Mapping) else set()
    yield from _lengths(pool, named, written)
    drivers = {name: driver_of(name) for name in pool.drivers}
    yield from _unknown_steps(pool, named, drivers)
    for name, driver in drivers.items():
        if driver is not None:
            yield from _waits(pool, name, limits_over(driver.limits))


def _lengths(pool: PoolSpec, named: set[Step], written: Mapping[str, object]) -> Iterator[Finding]:
    total_s, steps = pool.lifetime.boot_timeout_s, pool.lifetime.steps
    total = format_duration(total_s)
    for step in sorted(named - {Step.CLAIM}, key=ORDER.index):
        if steps.of(step) > total_s:
            yield (
                "step_timeouts",
                f"Step {step} may take {format_duration(steps.of(step))}, longer than the whole boot (boot_timeout {total}), so its time-out "
                "never comes.",
                "Shorten the step, or remove boot_timeout: then it is the sum of the steps.",
            )
    if named and "boot_timeout" in written and steps.total_s > total_s:
        yield (
            "boot_timeout",
            f"The steps may take {format_duration(steps.total_s)} together, longer than boot_timeout {total}.",
            "Shorten steps, or remove boot_timeout: then it is the sum of the steps.",
        )
    alert_s = pool.lifetime.provision_alert_s
    if "provision_alert" in written and alert_s >= total_s:
        yield (
            "provision_alert",
            f"provision_alert {format_duration(alert_s)} never comes, because a creation ends after {total} (boot_timeout).",
            "Make provision_alert shorter than boot_timeout.",
        )


def _unknown_steps(
    pool: PoolSpec, named: set[Step], drivers: Mapping[str, DriverSettings | None]
) -> Iterator[Finding]:
    """A step that one of the drivers has is right."""
    known: set[Step] = set()
    for name, driver in drivers.items():
        known |= _steps_of(name, {}) if driver is None else _steps_of(driver.kind, dict(driver.settings))
    who = (
        f"Driver {next(iter(drivers))} has" if len(drivers) == 1 else f"Drivers {listed(list(drivers))} have"
    )
    for step in sorted(named.intersection(OF_DRIVERS[:-1]) - known, key=ORDER.index):
        yield (
            "step_timeouts",
            f"{who} no step {step}, so its {format_duration(pool.lifetime.steps.of(step))} are added to the step before.",
            f"Remove {step}, or set the time of the step before.",
        )


def _steps_of(kind: str, settings: Mapping[str, str]) -> set[Step]:
    """Of kinds that are known here; others may have all."""
    if kind == "local":
        return {Step.CREATE}
    if kind == "pretend":
        return {Step.CREATE} | {step for step in OF_DRIVERS if f"{step}_s" in settings}
    return set(OF_DRIVERS)


def _waits(pool: PoolSpec, driver: str, limits: CreationLimits) -> Iterator[Finding]:
    claim_s = (pool.lifetime.step_timeouts or DEFAULT_STEPS).claim_s
    at_once = min(pool.size.new_workers_per_cycle, pool.size.max_workers)
    last_s = (at_once - 1) * limits.pause_between_starts_s
    if last_s > claim_s:
        yield (
            "new_workers_per_cycle",
            f"One plan may create {at_once} workers, and driver {driver} starts one each {format_duration(limits.pause_between_starts_s)}, so "
            f"the last ones wait longer than {format_duration(claim_s)} (step claim) and fail.",
            "Lower new_workers_per_cycle, or raise claim in step_timeouts.",
        )
