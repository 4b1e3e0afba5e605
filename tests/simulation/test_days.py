"""Days of a cluster with every fault on: 50 workers, 2,000 jobs, and no rule is broken. `make soak` runs a hundred of them."""

import pytest

from herder.simulate.chaos.run import ChaosOptions, run
from herder.simulate.chaos.shrink import command_of


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 7))
def test_a_day_of_faults_breaks_no_rule(seed: int) -> None:
    found = run(ChaosOptions(seed=seed))
    assert found.violations == [], f"see it again with: {command_of(found.options)}"
    assert found.jobs > 1_000
    assert found.crashes > 5
