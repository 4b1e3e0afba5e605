"""What `herder pool scheduling-info` prints for each preset is put into a pod and applied: it is demand of this pool, although all other pools have nodes,
and runs on a worker of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ruamel.yaml import YAML

from herder.decide.eligibility.scheduling_info import scheduling_info
from herder.settings.sections.pool.presets import PRESETS
from tests.docs.scheduled import PODS, close, demand, grown, nodes_of, offered, pools_of, world_of


def named(preset: str) -> str:
    return f"my-{preset.replace('_', '-')}"


SETTINGS = "membership: kubernetes, cluster: prod, driver: pretend, pending_pods: 1, default_eligible: true"
FILE = "\n".join(
    ["clusters:", "  prod: {kubeconfig: /etc/herder/prod.kubeconfig}", "pools:"]
    + [f"  {named(name)}: {{preset: {name}, {SETTINGS}}}" for name in sorted(PRESETS)]
)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_text_is_the_spec_of_a_pod_that_runs_in_the_pool(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = pools_of(FILE)
    (pool,) = (each for each in given if each.name == named(preset))
    world = world_of(given, tuple(each for each in offered(given) if each[0] is not pool))
    spec = YAML(typ="safe").load(scheduling_info(pool).yaml)
    body = {"metadata": {"name": "a"}, "spec": spec}
    reply = world.cluster.send("POST", PODS, body, fieldValidation="Strict")
    assert reply.status == 201, reply.body
    world.cluster.sleep(5)
    assert nodes_of(world.cluster) == [""]
    count, _, place = demand(world).partition(" × ")
    assert (count, place.partition(" of ")[2]) == ("1", named(preset))
    grown(world, monkeypatch)
    (node,) = nodes_of(world.cluster)
    assert world.existing[node][0].name == named(preset)
