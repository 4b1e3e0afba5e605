"""What is refused before it is queued, in words that help; and where a job may go."""

from herder.decide.eligibility.admission import Refusal, RefusalKind, refusal
from herder.decide.eligibility.matching import job_may_use, job_may_use_template
from herder.model.fleet.pool import PoolSpec, Taint, TaintEffect, Toleration
from herder.model.ids import UserName
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from tests.planning.world import ONE_CORE, cores, pool, template


def job(request: Resources = ONE_CORE, **more: object) -> JobClass:
    return JobClass(user=UserName("ann"), request=request, **more)  # type: ignore[arg-type]


def refuse(asked: JobClass, *pools: PoolSpec) -> Refusal:
    refused = refusal(asked, {each.name: each for each in pools})
    assert refused is not None
    return refused


def test_a_job_names_its_pool_or_takes_any_that_accepts_it() -> None:
    assert job_may_use(job(), pool("std"))
    assert job_may_use(job(pool="std"), pool("std"))
    assert not job_may_use(job(pool="other"), pool("std"))
    assert not job_may_use(job(), pool("std", default_eligible=False))
    assert job_may_use(job(pool="std"), pool("std", default_eligible=False))


def test_every_wanted_label_must_be_there_and_the_template_wins() -> None:
    ssd = template("a", labels=(("disk", "ssd"),))
    std = pool("std", ssd, template("b"), labels=(("disk", "hdd"), ("zone", "x")))
    assert job_may_use(job(selector=(("disk", "ssd"), ("zone", "x"))), std)
    assert not job_may_use(job(selector=(("disk", "ssd"), ("zone", "y"))), std)
    assert not job_may_use_template(job(selector=(("disk", "hdd"),)), std, ssd)


def test_taints_keep_away_unless_tolerated_named_or_only_preferred() -> None:
    gpu = pool("gpu", taints=(Taint(key="gpu", value="yes"),))
    assert not job_may_use(job(), gpu)
    assert not job_may_use(job(tolerations=(Toleration(key="gpu", value="no"),)), gpu)
    assert job_may_use(job(tolerations=(Toleration(key="gpu"),)), gpu)
    assert job_may_use(job(pool="gpu"), gpu)
    assert job_may_use(
        job(), pool("spot", taints=(Taint(key="spot", effect=TaintEffect.PREFER_NO_SCHEDULE),))
    )
    assert not job_may_use(job(), pool("x", taints=(Taint(key="x", effect=TaintEffect.NO_EXECUTE),)))


def test_what_could_run_is_let_in_however_full_it_is() -> None:
    assert refusal(job(cores(16)), {"std": pool("std")}) is None  # type: ignore[dict-item]


def test_an_unknown_pool_is_answered_with_the_nearest_name() -> None:
    refused = refuse(job(pool="standrad"), pool("standard"), pool("gpu"))
    assert refused.kind is RefusalKind.UNKNOWN_POOL
    assert "standrad" in refused.text
    assert "'standard'" in refused.remedy
    assert "No pools" in refuse(job(pool="x")).remedy
    assert refuse(job()).kind is RefusalKind.NO_POOL


def test_a_job_that_is_too_large_hears_of_the_nearest_template_and_what_is_missing() -> None:
    pools = (pool("std", template("s", 4), template("l", 16)), pool("tiny", template("t", 1)))
    refused = refuse(job(cores(20)), *pools)
    assert refused.kind is RefusalKind.TOO_LARGE
    assert "template 'l' of pool 'std'" in refused.text
    assert "4 CPU, 4 GiB memory" in refused.text
    assert refused.evidence == (("short_cpu_milli", 4000), ("short_memory_mib", 4096))


def test_no_size_is_taken_from_a_pool_that_the_job_may_not_use() -> None:
    refused = refuse(job(cores(20)), pool("std"), pool("big", template("b", 64), default_eligible=False))
    assert "'std'" in refused.text


def test_labels_and_taints_that_nobody_meets_are_named() -> None:
    refused = refuse(job(selector=(("disk", "nvme"),)), pool("std"))
    assert refused.kind is RefusalKind.SELECTOR
    assert "disk=nvme" in refused.text
    refused = refuse(job(), pool("gpu", taints=(Taint(key="gpu", value="1"),)))
    assert refused.kind is RefusalKind.TAINTS
    assert "gpu=1:NoSchedule" in refused.text


def test_a_pool_that_may_have_no_workers_takes_no_jobs() -> None:
    assert refuse(job(pool="std"), pool("std", max_workers=0)).kind is RefusalKind.NO_WORKERS_WANTED
