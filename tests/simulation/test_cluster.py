"""A Kubernetes cluster in the simulated world: machines join it as nodes, pods are demand, nodes are drained and removed."""

from dataclasses import replace

import pytest

from herder.engine.memory.state import EngineState, WorkerLife
from herder.engine.workers.cluster import nodes
from herder.simulate.chaos.run import ChaosOptions, ChaosRun, Variation
from tests.support.cluster_worlds import short_lives

CALM = ChaosOptions(seed=1, days=0.01, workers=6, jobs_per_day=200, intensity=0, cluster=True)


@pytest.mark.timeout(900)
def test_pods_get_nodes_and_nothing_is_left_over() -> None:
    run = ChaosRun(CALM)
    found = run.run()
    assert found.violations == []
    assert found.workers_made > 2
    kube = run.world.kube
    assert kube is not None
    assert kube.nodes() == kube.pods() == []


SHORT_LIVES = Variation(fleet=short_lives)


BAD = replace(CALM, seed=2, days=0.015, intensity=6)


@pytest.mark.timeout(900)
def test_faults_of_a_cluster_break_no_promise() -> None:
    found = ChaosRun(BAD, variation=SHORT_LIVES).run()
    assert found.violations == [], "\n".join(found.story)
    assert {"api restart", "watch silent", "cluster answer lost"} <= set(found.faults)


@pytest.mark.timeout(900)
def test_a_removal_without_a_drain_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerLife, "occupied", property(lambda worker: bool(worker.live)))
    found = ChaosRun(replace(CALM, days=0.03), variation=SHORT_LIVES).run()
    assert found.violations[0].rule == "no machine is removed under pods"
    assert any("terminating" in line for line in found.story)


@pytest.mark.timeout(900)
def test_pods_that_are_deleted_in_place_of_evicted_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each drain were beyond the deadline of a pool that forces them."""
    asked = nodes.to_do

    def forcing(state: EngineState, worker: WorkerLife) -> nodes.ToDo | None:
        found = asked(state, worker)
        return None if found is None else replace(found, force=True)

    monkeypatch.setattr(nodes, "to_do", forcing)
    found = ChaosRun(replace(CALM, days=0.03), variation=SHORT_LIVES).run()
    assert found.violations[0].rule == "no pod is deleted before its deadline"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_seed_gives_the_same_cluster() -> None:
    first, second = (ChaosRun(BAD, variation=SHORT_LIVES).run() for _ in range(2))
    assert first.fingerprint == second.fingerprint
