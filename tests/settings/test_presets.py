"""The presets have the figures of the documents that they come from: sizes, labels, taints, triggers, time to live and prices."""

from collections.abc import Mapping
from typing import Any

import pytest

from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.values.money import parse_usd
from herder.settings import pool_from_plain

LABELS: Mapping[str, Mapping[str, str]] = {
    "permanent": {"node-pool": "permanent", "worker-type": "permanent", "workload-priority": "high"},
    "burst": {"node-pool": "burst", "worker-type": "temporary"},
    "spot": {"node-pool": "spot", "worker-type": "preemptible", "workload-priority": "low"},
    "gpu": {
        "node-pool": "gpu",
        "worker-type": "gpu",
        "gpu.nvidia.com/class": "tesla-t4",
        "gpu.nvidia.com/count": "1",
        "gpu.nvidia.com/memory": "16384",
    },
    "rosa_additional": {},
    "rosa_gpu_spot": {"node-type": "gpu"},
}
TAINTS = {
    "permanent": [],
    "burst": ["workload-type=burst:NoSchedule"],
    "spot": ["workload-type=spot:NoSchedule", "preemptible=true:PreferNoSchedule"],
    "gpu": ["nvidia.com/gpu=true:NoSchedule"],
    "rosa_additional": [],
    "rosa_gpu_spot": ["nvidia.com/gpu=true:NoSchedule", "spot=true:PreferNoSchedule"],
}
SIZES = {
    "permanent": (3, 10),
    "burst": (0, 20),
    "spot": (0, 15),
    "gpu": (0, 5),
    "rosa_additional": (1, 5),
    "rosa_gpu_spot": (0, 3),
}


def pool(preset: str, **own: Any) -> PoolSpec:
    more: dict[str, Any] = {"membership": "kubernetes", "cluster": "prod", **own}
    return pool_from_plain({"name": "mine", "preset": preset, **more})


@pytest.mark.parametrize("preset", sorted(SIZES))
def test_labels_taints_and_sizes(preset: str) -> None:
    spec = pool(preset)
    assert dict(spec.labels) == LABELS[preset]
    assert [f"{each.key}={each.value}:{each.effect}" for each in spec.taints] == TAINTS[preset]
    assert (spec.size.min_workers, spec.size.max_workers) == SIZES[preset]


def test_a_permanent_pool_grows_under_pressure_shrinks_gradually_and_takes_place_from_spot_workers() -> None:
    spec = pool("permanent")
    up, down = spec.scale_up, spec.scale_down
    assert up.cpu_pressure is not None
    assert up.memory_pressure is not None
    assert (up.cpu_pressure.above, up.cpu_pressure.for_s, up.cpu_pressure.target) == (0.8, 300, 0.7)
    assert (up.memory_pressure.above, up.memory_pressure.for_s, up.memory_pressure.target) == (
        0.85,
        300,
        0.75,
    )
    assert (up.cooldown_s, down.cooldown_s, down.fraction, down.period_s) == (300, 600, 0.2, 1800)
    assert up.preempts_spot
    assert spec.lifetime.ttl_s is None


def test_burst_workers_come_for_five_pods_that_wait_for_two_minutes_and_live_for_four_hours() -> None:
    spec = pool("burst")
    life = spec.lifetime
    assert (spec.scale_up.pending_pods, spec.scale_up.pending_pods_for_s) == (5, 120)
    assert (life.ttl_s, life.ttl_max_s, life.extension_s, life.extensions_max) == (14400, 43200, 7200, 3)
    assert (life.ttl_warning_s, life.ttl_grace_s, spec.scale_down.idle_timeout_s) == (300, 300, 1800)


def test_spot_workers_cost_three_tenths_can_be_preempted_and_have_five_minutes_to_drain() -> None:
    spec = pool("spot")
    offers = [each for template in spec.templates for each in offers_of(template)]
    assert [(each.spot, each.price_pico_per_hour) for each in offers] == [(True, parse_usd("0.072"))]
    assert (spec.lifetime.drain_grace_s, spec.lifetime.ttl_s) == (300, None)


def test_gpu_workers_are_added_by_hand() -> None:
    spec = pool("gpu")
    assert spec.scale_up.pending_pods is None
    assert (spec.jobs.default_eligible, [each.name for each in spec.templates]) == (False, ["gpu-nvidia"])


def test_machine_pools_of_rosa_have_the_names_types_and_markets_of_its_module() -> None:
    additional, gpu = pool("rosa_additional"), pool("rosa_gpu_spot")
    assert dict(additional.driver_options) == {"machine_pool": "additional", "instance_type": "m5.xlarge"}
    assert dict(gpu.driver_options) == {
        "machine_pool": "gpu-spot",
        "instance_type": "g4dn.xlarge",
        "spot_max_price": "on-demand",
    }
    assert {each.driver for each in (additional, gpu)} == {"rosa"}
    (shape,) = gpu.templates
    assert ([each.spot for each in offers_of(shape)], shape.allocatable.gpu) == ([True], 1)
    assert not any(each.spot for each in offers_of(additional.templates[0]))


def test_a_driver_option_of_the_pool_replaces_only_that_of_the_preset() -> None:
    found = pool("rosa_gpu_spot", driver_options={"spot_max_price": "0.3", "disk_gib": "500"})
    assert dict(found.driver_options) == {
        "machine_pool": "gpu-spot",
        "instance_type": "g4dn.xlarge",
        "spot_max_price": "0.3",
        "disk_gib": "500",
    }
    assert dict(pool("rosa_gpu_spot", driver_options={}).driver_options) == dict(
        pool("rosa_gpu_spot").driver_options
    )
    assert dict(pool("burst", driver_options={"a": "b"}).driver_options) == {"a": "b"}
