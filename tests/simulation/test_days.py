"""Days of a fleet with every fault on: 50 workers, 2,000 jobs, and no rule is broken. Three of them: `make soak` runs a hundred, these among
them, and days with a Kubernetes cluster, its nodes, pods and Jobs.
"""

import pytest

from herder.simulate.chaos.run import ChaosOptions, run
from herder.simulate.chaos.shrink import command_of


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_day_of_faults_breaks_no_rule(seed: int) -> None:
    found = run(ChaosOptions(seed=seed))
    assert found.violations == [], f"see it again with: {command_of(found.options)}"
    assert found.jobs > 1_000
    assert found.crashes > 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [21])
def test_hours_of_a_cluster_break_no_rule(seed: int) -> None:
    options = ChaosOptions(seed=seed, days=0.1, workers=16, jobs_per_day=2_500, intensity=4.0, cluster=True)
    found = run(options)
    assert found.violations == [], f"see it again with: {command_of(found.options)}"
    assert found.crashes > 2
    assert {"job removed", "pod evicted", "site lost", "api restart"} <= set(found.faults)
