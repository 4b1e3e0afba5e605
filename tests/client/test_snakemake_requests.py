"""What jobs of Snakemake request of Herder."""

from typing import Any

import pytest

from herder.snakemake import submission
from herder.wire.api.work import JobSubmission


def asked(rule: str = "count", number: int = 4, attempt: int = 1, **resources: Any) -> JobSubmission:
    return submission(
        rule=rule,
        number=number,
        attempt=attempt,
        script="python -m snakemake",
        folder="/work",
        env={"PATH": "/bin"},
        threads=3,
        resources=resources,
        pool="std",
    )


def test_a_job_without_resources_has_its_threads_and_room_for_snakemake() -> None:
    made = asked()
    assert (made.key, made.command, made.cwd) == (
        "count-4",
        ["/bin/sh", "-c", "python -m snakemake"],
        "/work",
    )
    assert (made.cpu, made.memory, made.disk, made.gpu, made.timeout_s) == (3, "1Gi", 0, 0, None)
    assert (made.pool, made.priority, made.env) == ("std", 0, {"PATH": "/bin"})


def test_resources_become_requests() -> None:
    made = asked(
        _cores=8,
        mem_mb=2_000,
        mem_mib=1_908,
        disk_mb=50,
        runtime=90,
        gpu=2,
        gpu_model="a100",
        herder_pool="big",
        herder_priority="urgent",
        tmpdir="/tmp",
    )
    assert (made.cpu, made.memory, made.disk) == (8, "1908Mi", "50M")
    assert (made.timeout_s, made.gpu, made.gpu_model) == (5_400, 2, "a100")
    assert (made.pool, made.priority) == ("big", "urgent")


def test_a_size_that_is_not_known_yet_is_not_sent() -> None:
    assert asked(mem_mb="<TBD>", disk_mib="<TBD>").memory == "1Gi"


@pytest.mark.parametrize(
    ("rule", "attempt", "key"),
    [
        ("count", 2, "count-4-2"),
        ("a group/of:rules", 1, "a-group-of-rules-4"),
        ("x" * 300, 1, "x" * 100 + "-4"),
    ],
)
def test_the_name_of_a_job_is_its_own(rule: str, attempt: int, key: str) -> None:
    assert asked(rule, attempt=attempt).key == key
