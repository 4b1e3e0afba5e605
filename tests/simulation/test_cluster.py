"""A Kubernetes cluster in the simulated world: machines join it as nodes, pods are demand, nodes are drained and removed."""

import pytest

from herder.simulate.chaos.run import ChaosOptions, ChaosRun

CALM = ChaosOptions(seed=1, days=0.02, workers=6, jobs_per_day=200, intensity=0, cluster=True)


@pytest.mark.timeout(60)
def test_pods_get_nodes_and_nothing_is_left_over() -> None:
    run = ChaosRun(CALM)
    found = run.run()
    assert found.violations == []
    assert found.workers_made > 2
    kube = run.world.kube
    assert kube is not None
    assert kube.nodes() == kube.pods() == []
    again = ChaosRun(CALM).run()
    assert again.fingerprint == found.fingerprint
