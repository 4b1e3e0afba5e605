"""Pools for tests, by the plain names of their attributes: `pool_spec("std", max_workers=3, ttl_s=40.0)`."""

from dataclasses import fields, replace
from typing import Any

from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName

_GROUPS = ("size", "scale_up", "scale_down", "lifetime", "upkeep", "jobs")
_PREFIXED = {
    "scale_up_cooldown_s": ("scale_up", "cooldown_s"),
    "scale_down_cooldown_s": ("scale_down", "cooldown_s"),
    "scale_down_fraction": ("scale_down", "fraction"),
    "scale_down_period_s": ("scale_down", "period_s"),
}
_PLACES = _PREFIXED | {
    each.name: (group, each.name)
    for group in _GROUPS
    for each in fields(getattr(PoolSpec(name=PoolName("x")), group))
    if each.name not in {name for _, name in _PREFIXED.values()}
}


def changed(spec: PoolSpec, **flat: Any) -> PoolSpec:
    """`spec` with other values, by the names that `pool_spec` takes."""
    for name, value in flat.items():
        group, attribute = _PLACES.get(name, ("", name))
        whole = replace(getattr(spec, group), **{attribute: value}) if group else value
        spec = replace(spec, **{group or attribute: whole})
    return spec


def pool_spec(name: str, **flat: Any) -> PoolSpec:
    return changed(PoolSpec(name=PoolName(name)), **flat)
