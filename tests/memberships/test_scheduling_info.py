"""What a pod writes for a pool is made from the pool's settings, is YAML, and is what the planner takes as fitting."""

from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.decide.eligibility.matching import job_may_use
from herder.decide.eligibility.scheduling_info import scheduling_info
from herder.memberships import registry
from herder.model.fleet.pool import PoolSpec, TaintEffect, Toleration
from herder.model.ids import UserName
from herder.model.values.resources import Resources, parse_cpu, parse_mib
from herder.model.work.demand import Shape
from herder.settings import pool_from_plain
from herder.settings.sections.pool.presets import PRESETS
from tests.support.fake_cluster import know_nodes


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def pool(preset: str, **more: Any) -> PoolSpec:
    return pool_from_plain(
        {
            "name": f"my-{preset.replace('_', '-')}",
            "preset": preset,
            "membership": "nodes",
            "cluster": "prod",
            **more,
        }
    )


def shape_of(written: dict[str, Any]) -> Shape:
    resources = written["containers"][0]["resources"]
    tolerations = tuple(
        Toleration(key=each["key"], value=each.get("value"), effect=TaintEffect(each["effect"]))
        for each in written.get("tolerations", ())
    )
    request = Resources(
        parse_cpu(resources["requests"]["cpu"]),
        parse_mib(resources["requests"]["memory"]),
        0,
        int(resources["limits"].get("nvidia.com/gpu", 0)),
    )
    selector = tuple(written["nodeSelector"].items())
    return Shape(
        request=request, user=UserName("x"), cluster="prod", selector=selector, tolerations=tolerations
    )


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_what_is_written_fits_the_pool_and_no_other(preset: str) -> None:
    spec = pool(preset, default_eligible=True)
    written = YAML(typ="safe").load(scheduling_info(spec).yaml)
    asked = shape_of(written)
    assert job_may_use(asked, spec)
    assert any(asked.request.fits_in(template.allocatable) for template in spec.templates)
    assert not job_may_use(
        asked, pool_from_plain({**_plain("other", preset), "membership": "nodes", "cluster": "prod"})
    )


def _plain(name: str, preset: str) -> dict[str, Any]:
    return {"name": name, "preset": preset, "default_eligible": True}


def test_the_cheat_sheet_of_burst_workers() -> None:
    info = scheduling_info(pool("burst"))
    assert info.priority_class == "burst-workload"
    assert info.tolerations == (
        {"key": "workload-type", "operator": "Equal", "value": "burst", "effect": "NoSchedule"},
    )
    assert info.yaml.startswith("# A worker has the labels node-pool=burst, worker-type=temporary.\n")
    assert 'herder.dev/pool: "my-burst"' in info.yaml


def test_gpus_are_asked_for_by_their_limit() -> None:
    assert scheduling_info(pool("gpu")).limits["nvidia.com/gpu"] == "1"
