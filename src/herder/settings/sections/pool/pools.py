"""Reads pools and templates from settings and writes them: `pool_from_plain` and `pool_to_plain` are inverse to each other.

The plain form is what `herder.yaml` would say, complete and self-contained: it travels in an ApplyRequest and is what the
server stores. Called by `load`, the client and the server; reads no file.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.membership import LivesBy
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec, PriceSource, SpotUse, Template
from herder.model.ids import PoolName
from herder.model.values.resources import PLAIN, ZERO, Dimensions, Resources
from herder.settings.sections.pool.contradictions import contradictions
from herder.settings.sections.pool.pool_fields import POOL_FIELDS, POOL_KEYS
from herder.settings.sections.pool.presets import PRESETS, TEMPLATES
from herder.settings.sections.pool.template_fields import TEMPLATE_FIELDS, TEMPLATE_KEYS
from herder.settings.syntax import amounts, validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.problems import Place, SettingsError, did_you_mean
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Scalar, Table, Value, from_plain, join

#: Of pools whose workers are nodes: what evicts pods keeps their budgets, and needs longer.
NODE_DEFAULTS: Mapping[str, Any] = {"lifetime.drain_grace_s": 600.0, "lifetime.on_blocked": OnBlocked.WAIT}
RESERVED_NAMES = frozenset({"auto", "next", "all"})
_TEMPLATE_DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("price_pico_per_hour", 0),
    ("slots", 110),
    ("gpu_model", ""),
    ("gpu_parts", 1),
    ("labels", ()),
    ("driver", ""),
    ("driver_options", ()),
    ("zones", ()),
    ("spot", SpotUse.NO),
    ("spot_price_pico_per_hour", None),
    ("max_spot_price_pico_per_hour", None),
    ("prices", PriceSource.FILE),
)
_WORD = re.compile(r"[a-z_]+")
_OPTIONS = "driver_options"
_POOL_FIELD = {field.key: field for field in POOL_FIELDS}
_TEMPLATE_FIELD = {field.key: field for field in TEMPLATE_FIELDS}


def template_to_plain(template: Template) -> dict[str, Any]:
    devices = _devices(template)
    shape: dict[str, Any] = {**devices.amounts(), amounts.SECTION: amounts.write_own(devices)}
    plain: dict[str, Any] = {"name": template.name}
    for field in TEMPLATE_FIELDS:
        value = shape[field.attribute] if field.attribute in shape else getattr(template, field.attribute)
        plain[field.key] = field.write(value)
    return plain


def pool_to_plain(pool: PoolSpec) -> dict[str, Any]:
    """Every setting of the pool, as JSON can hold it and `herder.yaml` would write it."""
    plain: dict[str, Any] = {"name": pool.name}
    plain["templates"] = [template_to_plain(template) for template in pool.templates]
    for field in POOL_FIELDS:
        plain[field.key] = field.write(field.of(pool))
    return plain


def pool_from_plain(plain: Mapping[str, Any], where: str = "pool", resources: Dimensions = PLAIN) -> PoolSpec:
    """The pool of a plain form, also an incomplete one (defaults fill it up). Raises SettingsError with every fault."""
    found = Reading(resources=resources)
    table = validation.table(found, from_plain(plain, where))
    given = table.get("name")
    if given is None:
        found.wrong(table, "The pool has no name.", "Write `name:`.")
        raise SettingsError(found.problems)
    entry = Entry(place=given.place, name=validation.name(found, given), value=table)
    pool = read_pool(found, entry, table, TEMPLATES)
    if found.problems:
        raise SettingsError(found.problems)
    return pool


def read_template(found: Reading, name: str, table: Table, base: Template | None) -> Template:
    """A template; settings that are not given come from `base`."""
    values: dict[str, Any] = {}
    before = len(found.problems)
    for entry in validation.known_only(found, table, TEMPLATE_KEYS):
        if entry.name != "name":
            field = _TEMPLATE_FIELD[entry.name]
            values[field.attribute] = field.read(found, entry.value)
    start = (_devices(base) if base else ZERO).amounts()
    own = values.pop(amounts.SECTION, {})
    shape = found.resources.vector({**{each: values.pop(each, had) for each, had in start.items()}, **own})
    parts = values.get("gpu_parts", base.gpu_parts if base else 1)
    if parts > 1 and shape.gpu == 0:
        found.wrong(
            table,
            f"Template {name!r} splits GPUs (gpu_parts) but has none.",
            "Set `gpu: 1`, or remove gpu_parts.",
        )
    shape = shape.replaced("gpu", shape.gpu * parts)
    if len(found.problems) == before and 0 in (shape.cpu_milli, shape.memory_mib):
        lacking = "cpu" if shape.cpu_milli == 0 else "memory"
        found.wrong(
            table, f"Template {name!r} has no {lacking}.", f"Set `{lacking}` to the amount that jobs may use."
        )
    if len(found.problems) == before and base is None and "price_pico_per_hour" not in values:
        found.wrong(
            table,
            f"Template {name!r} has no price.",
            'Set `price_per_hour`, for example "0.12"; set "0" for a machine that costs nothing.',
        )
    rest = {
        attribute: values.get(attribute, getattr(base, attribute, default))
        for attribute, default in _TEMPLATE_DEFAULTS
    }
    template = Template(name=name, allocatable=shape, **rest)
    reported = template.prices is PriceSource.PROVIDER
    if len(found.problems) == before and reported and not template.zones:
        found.wrong(
            table,
            f"Template {name!r} has the prices of its provider, but no zones, and prices are those of zones.",
            "Name the zones, or remove prices.",
        )
    # What the provider asks today may be less tomorrow.
    if len(found.problems) == before and not reported and not offers_of(template):
        found.wrong(
            table,
            f"All spot offers of template {name!r} cost more than its max_spot_price, so no worker can be created.",
            "Raise max_spot_price, or set spot: prefer.",
        )
    return template


def _devices(template: Template) -> Resources:
    """What it has, with GPUs counted as devices and not as parts."""
    return template.allocatable.replaced("gpu", template.allocatable.gpu // template.gpu_parts)


def read_pool(found: Reading, entry: Entry, table: Table, catalogue: Mapping[str, Template]) -> PoolSpec:
    """One pool under the name of `entry`; the templates it names are looked up in `catalogue`."""
    if entry.name in RESERVED_NAMES:
        found.problem(
            entry.place,
            table.key,
            f"{entry.name!r} is not allowed as the name of a pool.",
            "The word has a special meaning; use another name.",
        )
    settings = _with_preset(found, table)
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name == "templates":
            values["templates"] = _templates(found, value, catalogue)
        elif name in _POOL_FIELD:
            field = _POOL_FIELD[name]
            read = field.read(found, value)
            if found.could_read(value):
                values[field.attribute] = read
    steps = values.get("lifetime.step_timeouts")
    if steps is not None:
        values.setdefault("lifetime.boot_timeout_s", steps.total_s)
    joins = values.get("membership")
    if joins is not None and joins.lives_by is LivesBy.NODE:
        for attribute, usual in NODE_DEFAULTS.items():
            values.setdefault(attribute, usual)
    pool = _grouped(PoolSpec(name=PoolName(entry.name)), values)
    if pool.jobs.one_per_worker:
        pool = replace(pool, templates=tuple(replace(each, slots=1) for each in pool.templates))
    _contradictions(found, pool, settings, entry.place, table.key)
    return pool


def _grouped(spec: PoolSpec, values: Mapping[str, Any]) -> PoolSpec:
    """`spec` with these values, whose names are `attribute` or `group.attribute`."""
    own: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        group, dot, attribute = path.partition(".")
        if dot:
            groups.setdefault(group, {})[attribute] = value
        else:
            own[path] = value
    own |= {group: replace(getattr(spec, group), **some) for group, some in groups.items()}
    return replace(spec, **own)


def _with_preset(found: Reading, table: Table) -> dict[str, Value]:
    """The pool's own settings over those of its preset; driver_options each by itself."""
    own = {entry.name: entry.value for entry in validation.known_only(found, table, POOL_KEYS)}
    preset = own.pop("preset", None)
    own.pop("name", None)
    if preset is None:
        return own
    name = validation.text(found, preset)
    if name not in PRESETS:
        if name:
            found.wrong(preset, f"There is no preset {name!r}.", did_you_mean(name, list(PRESETS)))
        return own
    base = from_plain(PRESETS[name], f"preset {name}", table.key)
    assert isinstance(base, Table)
    settings = {**{entry.name: entry.value for entry in base.entries}, **own}
    options = [each for each in (base.get(_OPTIONS), own.get(_OPTIONS)) if isinstance(each, Table)]
    if len(options) > 1:
        merged = {entry.name: entry for table in options for entry in table.entries}
        settings[_OPTIONS] = replace(options[-1], entries=tuple(merged.values()))
    return settings


def _templates(found: Reading, value: Value, catalogue: Mapping[str, Template]) -> tuple[Template, ...]:
    out: list[Template] = []
    for item in validation.listing(found, value):
        template = _named_template(found, item, catalogue) if isinstance(item, Scalar) else None
        template = template or (_inline_template(found, item, catalogue) if isinstance(item, Table) else None)
        if template is None:
            if not isinstance(item, Scalar):
                found.wrong(
                    item, "A list is not a template.", "Write a template's name, or `name: …, cpu: …`."
                )
        elif any(template.name == other.name for other in out):
            found.wrong(
                item, f"Template {template.name!r} is listed twice.", "Remove or rename one of the two."
            )
        else:
            out.append(template)
    return tuple(out)


def _named_template(found: Reading, item: Scalar, catalogue: Mapping[str, Template]) -> Template | None:
    name = validation.text(found, item)
    if name and name not in catalogue:
        found.wrong(item, f"There is no template {name!r}.", did_you_mean(name, list(catalogue)))
    template = catalogue.get(name)
    if template is None or len(template.allocatable) == len(found.resources.names):
        return template
    return replace(template, allocatable=found.resources.of(template.allocatable))


def _inline_template(found: Reading, item: Table, catalogue: Mapping[str, Template]) -> Template:
    given = item.get("name")
    if given is None:
        found.wrong(item, "The template has no name.", "Write `name:` as its first line.")
        return Template(
            name="", allocatable=Resources(), price_pico_per_hour=TEMPLATES["small"].price_pico_per_hour
        )
    name = validation.name(found, given)
    return read_template(found, name, item, catalogue.get(name))


def _contradictions(
    found: Reading, pool: PoolSpec, settings: Mapping[str, Value], place: Place, key: str
) -> None:
    """What can never work, whatever the machines: these pools are refused. Softer doubts are in `lint`."""

    unread = {name for name, value in settings.items() if not found.could_read(value)}

    def wrong(name: str, message: str, remedy: str) -> None:
        if not unread.isdisjoint(_WORD.findall(message)):
            return  # it compares with a default that stands in for what was written
        value = settings.get(name)
        own = value is not None and value.place.line > 0
        where = value.place if value is not None and own else place
        found.problem(where, f"{key}.{name}" if key else name, message, remedy)

    if pool.size.min_workers > pool.size.max_workers:
        wrong(
            "min_workers",
            f"min_workers {pool.size.min_workers} is above max_workers {pool.size.max_workers}.",
            f"Lower min_workers or raise max_workers to at least {pool.size.min_workers}.",
        )
    if (
        pool.lifetime.ttl_s is not None
        and pool.lifetime.ttl_max_s is not None
        and pool.lifetime.ttl_s > pool.lifetime.ttl_max_s
    ):
        ttl, longest = format_duration(pool.lifetime.ttl_s), format_duration(pool.lifetime.ttl_max_s)
        wrong("ttl", f"ttl {ttl} is above ttl_max {longest}.", f"Lower ttl, or raise ttl_max to {ttl}.")
    sources = (join(key, "templates"), join(key, "preset"))
    misread = any(each.key.startswith(sources) for each in found.problems)
    if not pool.templates and pool.size.max_workers > 0 and not misread:
        wrong(
            "templates",
            "The pool has no templates, so no worker can be created.",
            "Set `templates: [small]`, or max_workers: 0.",
        )
    for name, seconds in (
        ("boot_timeout", pool.lifetime.boot_timeout_s),
        ("dead_after", pool.lifetime.dead_after_s),
    ):
        if seconds <= 0:
            wrong(name, "The duration must be longer than 0 s.", "Write for example 60s.")
    for contradiction in contradictions(pool):
        wrong(*contradiction)
