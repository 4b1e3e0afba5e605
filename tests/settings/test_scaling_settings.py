"""Schedules, headroom, fractions and limits of a pool as people write them, and what is refused with both limits named."""

from typing import Any

import pytest

from herder.model.fleet.pool import Consolidation, Headroom, PoolSpec
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.settings import SettingsError, load_texts, pool_from_plain, pool_to_plain
from herder.settings.sections.pool.pool_fields import POOL_KEYS

BASE: dict[str, Any] = {"name": "std", "templates": ["small"], "min_workers": 1, "max_workers": 6}


def pool(**more: Any) -> PoolSpec:
    return pool_from_plain({**BASE, **more})


def refusal(**more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        pool(**more)
    return " ".join(f"{each.key}: {each.message} {each.remedy}" for each in caught.value.problems)


def test_all_of_it_from_a_file() -> None:
    text = """
pools:
  std:
    templates: [small]
    max_workers: 6
    max_live_workers: 5
    headroom: {workers: 1, cpu: 2, memory: 4Gi}
    target_utilisation: 70%
    scale_down_fraction: 0.2
    consolidation: break_even
    disruption_budget: 2
    offer_backoff: 30s
    schedules:
      - {cron: "0 8 * * 1-5", timezone: Europe/Berlin, min_workers: 3, lead_time: 10m, duration: 10h}
      - {cron: "0 23 * 11 4", min_workers: 0, max_workers: 2}
"""
    (spec,) = load_texts([("herder.yaml", text)]).pools
    assert spec.scale_up.headroom == Headroom(workers=1, free=Resources(2000, 4096, 0, 0))
    assert (spec.scale_up.target_utilisation, spec.scale_down.fraction) == (0.7, 0.2)
    assert (spec.scale_down.consolidation, spec.scale_down.disruption_budget) == (Consolidation.BREAK_EVEN, 2)
    assert (spec.size.max_live_workers, spec.scale_up.offer_backoff_s) == (5, 30.0)
    day, november = spec.size.schedules
    assert (day.timezone, day.lead_time_s, day.duration_s, day.max_workers) == (
        "Europe/Berlin",
        600.0,
        36000.0,
        None,
    )
    assert (november.timezone, november.duration_s, november.max_workers) == ("UTC", None, 2)


def test_short_forms() -> None:
    assert pool(headroom=2).scale_up.headroom == Headroom(workers=2)
    assert pool(headroom=None).scale_up.headroom == Headroom()
    assert pool(target_utilisation=None).scale_up.target_utilisation is None
    (spec,) = load_texts([("a.yaml", "pools: {std: {templates: [small], consolidation: off}}")]).pools
    assert spec.scale_down.consolidation is Consolidation.OFF


def test_all_that_is_new_is_off_by_default() -> None:
    spec = pool()
    assert not spec.size.schedules
    assert not spec.scale_up.headroom.wanted
    assert (spec.scale_up.target_utilisation, spec.scale_down.fraction, spec.size.max_live_workers) == (
        None,
        None,
        None,
    )
    assert spec.scale_down.consolidation is Consolidation.OFF


@pytest.mark.parametrize(
    ("settings", "both"),
    [
        ({"max_live_workers": 7}, ("max_live_workers 7", "max_workers 6")),
        ({"max_live_workers": 1, "min_workers": 2}, ("max_live_workers 1", "min_workers 2")),
        ({"headroom": 7}, ("headroom of 7 workers", "max_workers 6")),
        ({"headroom": 4, "max_live_workers": 3}, ("headroom of 4 workers", "max_live_workers 3")),
        ({"headroom": {"cpu": 1000}}, ("headroom of 1000 CPU", "6 workers (max_workers)")),
        ({"headroom": {"gpu": 1}}, ("headroom of 1 GPU", "6 workers (max_workers)")),
        ({"offer_backoff": "2h"}, ("offer_backoff 2h", "offer_backoff_max 30m")),
        ({"scale_down_fraction": 0.2, "scale_down_period": 0}, ("scale_down_fraction", "scale_down_period")),
        ({"schedules": [{"cron": "0 8 * * *", "min_workers": 7}]}, ("min_workers 7", "max_workers 6")),
        (
            {"schedules": [{"cron": "0 8 * * *", "min_workers": 3, "max_workers": 2}]},
            ("min_workers 3", "max_workers 2"),
        ),
        (
            {"schedules": [{"cron": "0 8 * * *", "min_workers": 5}], "max_live_workers": 4},
            ("min_workers 5", "max_live_workers 4"),
        ),
    ],
)
def test_contradictory_limits_are_refused_with_both_named(
    settings: dict[str, Any], both: tuple[str, str]
) -> None:
    said = refusal(**settings)
    assert all(word in said for word in both), said
    begins = said.split(": ", 1)[1].split()[0]
    assert begins[0].isupper() or begins in POOL_KEYS, f"a capital, or a setting as it is written: {said}"


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"schedules": [{"min_workers": 1}]}, "no cron"),
        ({"schedules": [{"cron": "0 8 * * *"}]}, "no min_workers"),
        ({"schedules": [{"cron": "0 25 * * *", "min_workers": 1}]}, "not a cron expression"),
        ({"schedules": [{"cron": "0 8 * * *", "timezone": "Berlin", "min_workers": 1}]}, "Europe/Berlin"),
        ({"schedules": [{"cron": "0 8 * * *", "min_workers": 1, "duration": 0}]}, "longer than 0 s"),
        ({"schedules": [{"cron": "0 8 * * *", "min_worker": 1}]}, "min_workers"),
        ({"schedules": [{"cron": "0 8 * * *", "min_workers": 1}] * 51}, "at most 50"),
        ({"schedules": ["0 8 * * *"]}, "mapping"),
        ({"target_utilisation": 0}, "is not a fraction"),
        ({"target_utilisation": 1.5}, "is not a fraction"),
        ({"scale_down_fraction": "much"}, "is not a fraction"),
        ({"consolidation": "always"}, "not a possible value"),
        ({"headroom": -1}, "negative"),
    ],
)
def test_what_cannot_be_meant_is_told(settings: dict[str, Any], word: str) -> None:
    assert word in refusal(**settings)


def test_split_gpus_are_written_as_devices_and_counted_as_parts() -> None:
    (made,) = pool(templates=[{"name": "small", "gpu": 2, "gpu_parts": 4, "gpu_model": "a100"}]).templates
    assert (made.allocatable.gpu, made.gpu_parts, made.gpu_model) == (8, 4, "a100")
    (plain,) = pool_to_plain(PoolSpec(name=PoolName("std"), templates=(made,)))["templates"]
    assert (plain["gpu"], plain["gpu_parts"]) == (2, 4)


def test_nothing_to_split_and_labels_of_ours_are_refused() -> None:
    assert "has none" in refusal(templates=[{"name": "small", "gpu_parts": 4}])
    assert "reserved for Herder" in refusal(labels={"herder/gpu-parts": "x"})
