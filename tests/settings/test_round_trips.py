"""Quantities, durations and whole pools come back as they went in."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.model.fleet.metric import Metric, ValueIs
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import (
    Consolidation,
    Headroom,
    PoolSpec,
    SpotUse,
    Taint,
    TaintEffect,
    Template,
    Zone,
)
from herder.model.fleet.pressure import Pressure
from herder.model.fleet.repair import (
    COUNTED,
    DEFAULT_RULES,
    Breaker,
    Condition,
    RepairPolicy,
    RepairRule,
    Rung,
)
from herder.model.fleet.schedule import Schedule
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, TimeWindow
from herder.model.values.money import PicoUsd
from herder.model.values.resources import ZERO, Resources
from herder.settings import (
    PRESETS,
    SettingsError,
    expanded,
    format_duration,
    load_texts,
    local_defaults,
    parse_duration,
    pool_from_plain,
    pool_to_plain,
)
from tests.support.pools import pool_spec

names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in ("auto", "next", "all")
)
words = st.text(max_size=20)
pairs = st.dictionaries(words, words, max_size=4).map(lambda found: tuple(found.items()))
seconds = st.one_of(st.integers(0, 10**7).map(float), st.floats(0, 3e8, allow_nan=False))
limits = st.one_of(st.none(), seconds)
lasting = st.one_of(st.integers(1, 10**6).map(float), st.floats(0.001, 1e6, allow_nan=False))
taints = st.builds(
    Taint, key=st.text(min_size=1, max_size=10), value=words, effect=st.sampled_from(list(TaintEffect))
)
shapes = st.builds(
    Resources, st.integers(1, 10**6), st.integers(1, 10**7), st.integers(0, 10**8), st.integers(0, 16)
)
prices = st.one_of(st.none(), st.integers(0, 10**16).map(PicoUsd))
zones = st.builds(
    Zone,
    name=names,
    price_pico_per_hour=prices,
    spot_price_pico_per_hour=prices,
    max_workers=st.one_of(st.none(), st.integers(0, 1000)),
)


rules = st.builds(
    lambda condition, rung, after_s, count: RepairRule(
        condition=condition,
        rung=rung,
        **({"count": count} if condition in COUNTED else {"after_s": after_s}),  # type: ignore[arg-type]
    ),
    st.sampled_from(Condition),
    st.sampled_from(Rung),
    st.integers(0, 86_400).map(float),
    st.integers(1, 100),
)
repairs = st.builds(
    RepairPolicy,
    rules=st.lists(rules, max_size=5, unique_by=lambda each: (each.condition, each.rung)).map(tuple)
    | st.just(DEFAULT_RULES),
    tries=st.integers(1, 20),
    cooldown_s=st.integers(0, 86_400).map(float),
    breaker=st.builds(
        Breaker,
        workers=st.integers(0, 100),
        percent=st.integers(0, 100),
        window_s=st.integers(0, 86_400).map(float),
    ),
    quarantine=st.integers(0, 100),
    quarantine_age_s=st.integers(0, 86_400).map(float),
)


@st.composite
def split_gpus(draw: st.DrawFn) -> tuple[Resources, int]:
    shape = draw(shapes)
    parts = draw(st.integers(1, 8)) if shape.gpu else 1
    return shape.replaced("gpu", shape.gpu * parts), parts


templates = st.builds(
    lambda split, **rest: Template(allocatable=split[0], gpu_parts=split[1], **rest),
    split=split_gpus(),
    name=names,
    price_pico_per_hour=st.integers(0, 10**16).map(PicoUsd),
    labels=pairs,
    slots=st.integers(1, 1000),
    gpu_model=words,
    zones=st.lists(zones, max_size=2, unique_by=lambda each: each.name).map(tuple),
    spot=st.sampled_from(SpotUse),
    spot_price_pico_per_hour=prices,
    max_spot_price_pico_per_hour=prices,
).filter(lambda template: bool(offers_of(template)))


fractions = st.one_of(st.none(), st.floats(0.001, 1.0))
pressures = st.one_of(
    st.none(),
    st.builds(
        Pressure,
        above=st.floats(0.5, 1.0),
        for_s=seconds,
        target=st.one_of(st.none(), st.floats(0.001, 0.499)),
    ),
)


numbers = st.floats(-1e12, 1e12, allow_nan=False)
metrics = st.builds(
    Metric,
    name=names,
    query=words,
    per_worker=st.floats(1e-6, 1e12),
    source=names,
    value=st.sampled_from(ValueIs),
    activation=numbers,
    tolerance=st.floats(0.001, 1.0),
    every_s=st.floats(1.0, 100.0),
    keep_s=st.floats(100.0, 1e6),
)


@st.composite
def schedules(draw: st.DrawFn, most: int) -> Schedule:
    least = draw(st.integers(0, most))
    return Schedule(
        cron=draw(st.sampled_from(["0 8 * * 1-5", "*/15 * * * *", "0 23 * 11 4"])),
        timezone=draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])),
        min_workers=least,
        max_workers=draw(st.one_of(st.none(), st.integers(least, 2000))),
        lead_time_s=draw(seconds),
        duration_s=draw(st.one_of(st.none(), lasting)),
    )


windows = st.builds(
    TimeWindow,
    cron=st.sampled_from(["0 2 * * 6", "30 22 * * *"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    duration_s=lasting,
)
_covered = st.lists(st.sampled_from(Disruption), max_size=3, unique=True).map(tuple)
_times = st.one_of(st.none(), windows)
budgets = st.lists(
    st.one_of(
        st.builds(DisruptionBudget, workers=st.integers(0, 9), reasons=_covered, window=_times),
        st.builds(DisruptionBudget, percent=st.integers(0, 100), reasons=_covered, window=_times),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


@st.composite
def pools(draw: st.DrawFn) -> PoolSpec:
    low, high = sorted((draw(st.integers(0, 1000)), draw(st.integers(1, 1000))))
    ttl, longest = draw(limits), draw(limits)
    if ttl is not None and longest is not None:
        ttl, longest = sorted((ttl, longest))
    live = draw(st.one_of(st.none(), st.integers(low, high)))
    most = high if live is None else live
    kinds = tuple(draw(st.lists(templates, min_size=1, max_size=3, unique_by=lambda each: each.name)))
    rest, longest_rest = sorted((draw(seconds), draw(seconds)))
    return pool_spec(
        draw(names),
        driver=draw(names),
        templates=kinds,
        max_live_workers=live,
        offer_backoff_s=rest,
        offer_backoff_max_s=longest_rest,
        schedules=tuple(draw(st.lists(schedules(most), max_size=2))),
        headroom=Headroom(
            workers=draw(st.integers(0, most)),
            free=draw(st.sampled_from([ZERO, kinds[0].allocatable])) if most else ZERO,
        ),
        target_utilisation=draw(fractions),
        cpu_pressure=draw(pressures),
        memory_pressure=draw(pressures),
        metrics=tuple(draw(st.lists(metrics, max_size=2, unique_by=lambda each: each.name))),
        scale_down_fraction=draw(fractions),
        scale_down_period_s=draw(lasting),
        consolidation=draw(st.sampled_from(Consolidation)),
        disruption_budget=draw(st.one_of(st.integers(0, 10), budgets)),
        maintenance_windows=tuple(draw(st.lists(windows, max_size=2))),
        replace_drifted=draw(st.booleans()),
        ttl_soft_s=draw(limits),
        ttl_warning_s=draw(seconds),
        ttl_grace_s=draw(seconds),
        ttl_jitter=draw(st.sampled_from([0.0, 0.05, 0.123, 0.5])),
        preempts_spot=draw(st.booleans()),
        min_workers=low,
        max_workers=high,
        new_workers_per_cycle=draw(st.integers(1, 100)),
        scale_up_cooldown_s=draw(seconds),
        scale_down_cooldown_s=draw(seconds),
        idle_timeout_s=draw(limits),
        ttl_s=ttl,
        ttl_max_s=longest,
        extension_s=draw(seconds),
        extensions_max=draw(st.integers(0, 50)),
        drain_grace_s=draw(seconds),
        notice_margin_s=draw(st.integers(0, 600).map(float)),
        boot_timeout_s=draw(lasting),
        dead_after_s=draw(lasting),
        repair=draw(repairs),
        labels=draw(pairs),
        taints=tuple(draw(st.lists(taints, max_size=3))),
        default_eligible=draw(st.booleans()),
        containers=draw(st.booleans()),
        frozen=draw(st.booleans()),
        description=draw(words),
        driver_options=draw(pairs),
    )


@given(seconds)
def test_a_duration_comes_back_exactly(value: float) -> None:
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", 1800),
        ("4h", 14400),
        ("300s", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("0", 0),
        ("1.5h", 5400),
    ],
)
def test_durations_as_people_write_them(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "-5s", "4 hours", "h", "1h-2m", "90", "4", "1e3", "inf", "nan", "1e9999"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration|has no unit; write"):
        parse_duration(text)


@given(pools())
def test_a_pool_comes_back_from_its_plain_form_through_json(pool: PoolSpec) -> None:
    plain = pool_to_plain(pool)
    assert pool_from_plain(json.loads(json.dumps(plain)), "test") == pool
    assert pool_to_plain(pool_from_plain(plain, "test")) == plain


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_expanded_settings_say_the_same_as_the_short_ones(preset: str) -> None:
    short = load_texts(
        [("a.yaml", f"pools: {{mine: {{preset: {preset}}}}}\ndrivers: {{local: {{machine: {{cpu: 4}}}}}}")]
    )
    long = load_texts([("b.yaml", json.dumps(expanded(short)))])
    assert long.pools == short.pools
    assert long.templates == short.templates
    assert long.drivers == short.drivers
    assert long.server == short.server


@given(st.integers(250, 128_000), st.integers(256, 10**6), st.integers(0, 10**7))
def test_local_defaults_fit_the_machine(cpu_milli: int, memory_mib: int, disk_mib: int) -> None:
    machine = Resources(cpu_milli, memory_mib, disk_mib)
    found = local_defaults(machine)
    assert [pool.name for pool in found] == ["permanent", "burst", "highmem"]
    for pool in found:
        assert pool_from_plain(pool_to_plain(pool), "test") == pool
        assert all(template.allocatable.cpu_milli <= max(100, cpu_milli) for template in pool.templates)
    if memory_mib >= 1024:
        full = sum(pool.size.max_workers * pool.templates[0].allocatable.memory_mib for pool in found)
        assert full <= memory_mib


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
        max_leaves=8,
    )
)
def test_nonsense_is_refused_with_problems_and_nothing_else(data: Any) -> None:
    plain = {"name": "x", "templates": data, "min_workers": data, "ttl": data, "taints": data, "labels": data}
    with contextlib.suppress(SettingsError):
        pool_from_plain(plain, "test")
    with pytest.raises(SettingsError) as caught:
        pool_from_plain({**plain, "min_workers": -1}, "test")
    assert all(problem.message and problem.remedy for problem in caught.value.problems)
