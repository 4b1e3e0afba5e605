"""What makes a pool grow beside its queue: rules on the real use of CPU and memory. Used by the table of settings (`fields`)."""

from typing import Any

from herder.model.pressure import Pressure
from herder.settings import reading
from herder.settings.durations import format_duration
from herder.settings.reading import Reading
from herder.settings.schedules import read_fraction
from herder.settings.values import Scalar, Table, Value

PRESSURE_KEYS = ("above", "for", "target")


def read_pressure(found: Reading, value: Value) -> Pressure | None:
    """`80%`, a mapping, or null for none."""
    if isinstance(value, Scalar):
        above = read_fraction(found, value)
        return None if above is None else Pressure(above=above)
    row = reading.table(found, value)
    given = {entry.name: entry.value for entry in reading.known_only(found, row, PRESSURE_KEYS)}
    above = read_fraction(found, given["above"]) if "above" in given else None
    if above is None:
        if isinstance(value, Table) and "above" not in given:
            found.wrong(value, "no threshold is given", "Write `above: 80%`.")
        return None
    pressure = Pressure(
        above=above,
        for_s=reading.duration(found, given["for"]) if "for" in given else Pressure(above=above).for_s,
        target=read_fraction(found, given["target"]) if "target" in given else None,
    )
    if pressure.target is not None and pressure.target >= above:
        found.wrong(
            given["target"],
            f"the target {pressure.target:g} is not below the threshold {above:g}: it would grow and shrink in turns",
            "Lower target, or raise above.",
        )
    return pressure


def write_pressure(pressure: Pressure | None) -> dict[str, Any] | None:
    if pressure is None:
        return None
    return {
        "above": pressure.above,
        "for": format_duration(pressure.for_s),
        "target": pressure.target,
    }
