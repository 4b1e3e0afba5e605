"""Which pool a queued job counts in: each job once, in the pool that it names or in the cheapest that fits."""

from herder.decide.eligibility.first_pools import FirstPools
from herder.model.ids import ClassId, PoolName
from tests.planning.world import cores, pool, queued, template


def test_each_class_counts_in_one_pool_at_most() -> None:
    dear, cheap = pool("dear", template("small", 2, 900)), pool("cheap", template("large", 4, 100))
    pools = {PoolName(each.name): each for each in (dear, cheap)}
    classes = {
        ClassId(number): queued(number, 1, cores(size), pool=name).job_class
        for number, size, name in ((1, 1, "dear"), (2, 1, "auto"), (3, 3, "auto"), (4, 64, "auto"))
    }
    found = FirstPools()
    assert dict(found.of(pools, classes)) == {1: "dear", 2: "cheap", 3: "cheap", 4: None}
    del pools[PoolName("cheap")]
    assert dict(found.of(pools, {ClassId(2): classes[ClassId(2)]})) == {2: "dear"}
