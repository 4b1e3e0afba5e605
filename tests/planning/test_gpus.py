"""Which GPUs a job gets: whole ones or a share of one, of the models it names; in admission, planning and placement alike."""

from dataclasses import replace

import pytest

from herder.decide.eligibility.admission import RefusalKind, refusal
from herder.decide.eligibility.matching import job_may_use_template, template_labels
from herder.decide.placement.place import OpenWorker, place
from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.ids import UserName, WorkerName
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from tests.planning.world import NOW, creations, observed, pool, queued, template

ONE_GPU = Resources(1000, 1024, 0, 1)


def gpus(name: str, count: int, *, model: str = "", parts: int = 1, price: int = 1000) -> Template:
    made = template(name, 16, price, gpu_model=model, gpu_parts=parts)
    return replace(made, allocatable=made.allocatable.replaced("gpu", count * parts))


def job(**more: object) -> JobClass:
    return JobClass(user=UserName("ann"), request=ONE_GPU, **more)  # type: ignore[arg-type]


WHOLE = gpus("whole", 2)
QUARTERS = gpus("quarters", 2, parts=4)
A100 = gpus("a100", 1, model="a100")


@pytest.mark.parametrize(
    ("asked", "whole", "quarters"),
    [
        (job(), True, False),
        (job(gpu_share_milli=250), False, True),
        (job(gpu_share_milli=200), False, True),
        (job(gpu_share_milli=251), False, False),
        (JobClass(user=UserName("ann"), request=Resources(1000, 1024)), True, True),
    ],
)
def test_whole_gpus_are_not_made_of_parts_nor_shares_of_whole_ones(
    asked: JobClass, whole: bool, quarters: bool
) -> None:
    std = pool("std", WHOLE, QUARTERS)
    assert job_may_use_template(asked, std, WHOLE) is whole
    assert job_may_use_template(asked, std, QUARTERS) is quarters


def test_any_of_the_models_that_are_named() -> None:
    std = pool("std", WHOLE, A100)
    assert job_may_use_template(job(gpu_models=("a100", "h100")), std, A100)
    assert not job_may_use_template(job(gpu_models=("h100",)), std, A100)
    assert not job_may_use_template(job(gpu_models=("a100",)), std, WHOLE), "unknown is not the one asked for"


def test_as_many_shares_as_there_are_parts_go_on_one_worker() -> None:
    std = pool("std", WHOLE, QUARTERS, A100)
    plan = decide(observed([std], [], [queued(1, 9, ONE_GPU, gpu_share_milli=250)]), NOW)
    assert [made.spec.template for made in creations(plan)] == ["quarters", "quarters"]
    assert all(("herder/gpu-parts", "4") in made.spec.labels for made in creations(plan))


def test_placement_heeds_parts_and_models() -> None:
    std = pool("std", WHOLE, QUARTERS, A100)

    def open_worker(number: int, made: Template) -> OpenWorker:
        return OpenWorker(
            name=WorkerName(f"std-1-{number}"),
            pool=std.name,
            free=made.allocatable,
            free_slots=made.slots,
            labels=template_labels(std, made),
        )

    placed = place(
        [
            queued(1, 20, ONE_GPU, gpu_share_milli=250),
            queued(2, 20, ONE_GPU),
            queued(3, 20, ONE_GPU, gpu_models=("a100",), user=UserName("bob")),
        ],
        [open_worker(1, WHOLE), open_worker(2, QUARTERS), open_worker(3, A100)],
        total=Resources(48_000, 48 * 1024, 0, 11),
        pools={std.name: std},
    )
    where = {(each.class_id, each.worker): each.count for each in placed.assignments}
    assert where[1, "std-1-2"] == 8
    assert sum(where.values()) == 8 + 2 + 1
    assert all(worker != "std-1-2" for class_id, worker in where if class_id != 1)


@pytest.mark.parametrize(
    ("asked", "text", "remedy"),
    [
        (job(gpu_share_milli=300), "0.3 GPU", "at most 3 parts"),
        (job(gpu_share_milli=600), "0.6 GPU", "at most half"),
        (job(gpu_models=("h100",)), "1 GPU of model h100", "Request one of a100"),
        (job(gpu_share_milli=250, gpu_models=("h100",)), "0.25 GPU of model h100", "Request one of a100"),
    ],
)
def test_gpus_that_nobody_has_are_named_with_a_remedy(asked: JobClass, text: str, remedy: str) -> None:
    std: PoolSpec = pool("std", WHOLE, QUARTERS, A100)
    refused = refusal(asked, {std.name: std})
    assert refused is not None
    assert refused.kind is RefusalKind.GPU
    assert text in refused.text
    assert remedy in refused.remedy
