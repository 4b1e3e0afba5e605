"""Sections of fair sharing: they come back as they went in, and contradictions are named where they stand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.decide.placement.ageing import Ageing
from herder.model.ids import UserName
from herder.model.work.job_type import KNOWN, JobType
from herder.model.work.pipeline import Pipeline
from herder.model.work.sharing import (
    Limits,
    Preemption,
    PriorityClass,
    ProjectQuota,
    Reclaim,
    Sharing,
    UserQuota,
)
from herder.settings import (
    SettingsError,
    SharingSettings,
    expanded,
    load_texts,
    sharing_from_plain,
    sharing_to_plain,
)
from herder.settings.json_schema import json_schema
from herder.settings.sections.jobs.sharing_fields import NEVER_MS

amounts = st.one_of(st.none(), st.integers(0, 10**9))
limits = st.builds(Limits, amounts, amounts, amounts, amounts)
seconds = st.integers(0, 10**7).map(float)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@st.composite
def projects(draw: st.DrawFn, name: str) -> ProjectQuota:
    nominal = draw(limits)
    lend = [None if most is None else draw(st.one_of(st.none(), st.integers(0, most))) for most in nominal]
    borrow = [None if most is None else draw(amounts) for most in nominal]
    return ProjectQuota(
        name=name,
        nominal=nominal,
        borrowing_limit=Limits(*borrow),
        lending_limit=Limits(*lend),
        cohort=draw(st.sampled_from(["", "science"])),
        queued_jobs=draw(st.none() | st.integers(0, 9)),
    )


@st.composite
def settings(draw: st.DrawFn) -> SharingSettings:
    values = draw(st.lists(st.integers(-1_000_000, 1_000_000), unique=True, max_size=3))
    users = draw(st.lists(names, unique=True, max_size=3))
    return SharingSettings(
        ageing=Ageing(
            age_after_ms=draw(st.integers(0, 10**9)),
            reserve_after_ms=draw(st.one_of(st.just(NEVER_MS), st.integers(0, 10**9))),
            weight_doublings=draw(st.integers(0, 9)),
            reservations_max=draw(st.integers(0, 99)),
        ),
        sharing=Sharing(
            priority_classes=tuple(
                PriorityClass(name=f"c{n}", value=value, preempts=draw(st.booleans()))
                for n, value in enumerate(values)
            ),
            projects=tuple(draw(projects(name)) for name in draw(st.lists(names, unique=True, max_size=3))),
            users=tuple(
                UserQuota(
                    user=UserName(name),
                    limits=draw(limits.filter(lambda each: each.any)),
                    queued_jobs=draw(st.none() | st.integers(0, 9)),
                )
                for name in users
            ),
            pipelines=tuple(
                Pipeline(name=name, config=draw(st.text("a: \n", min_size=1)))
                for name in draw(st.lists(names, unique=True, max_size=2))
            ),
            preemption=Preemption(
                minimum_run_s=draw(seconds),
                soon_s=draw(seconds),
                protected_after=draw(st.integers(1, 9)),
                reclaim=draw(st.sampled_from(list(Reclaim))),
            ),
        ),
    )


@given(settings())
def test_every_setting_comes_back_as_it_went_in(wanted: SharingSettings) -> None:
    assert sharing_from_plain(sharing_to_plain(wanted)) == wanted


FILE = """
job_types:
  ml_training: {image: trainer:3, timeout: 6h}
  nightly_report: {max_concurrent: 2, resource_weight: 1.5, command: [make, report], env: {A: "1"}, gpu: 0.5, retries: 0}
users: {ann: {weight: 2, quota: {cpu: 2, jobs: 4}}, bob: {}}
projects:
  research: {nominal_quota: {cpu: 16, memory: 64Gi}, borrowing_limit: {cpu: 500m}, lending_limit: {memory: 0}}
priority_classes: {urgent: {value: 100, preempts: true}, calm: {value: -5, preempts: never}}
fair_share: {ageing: {reserve_after: null, age_after: 5m}, preemption: {reclaim: any, soon: 90s}, job_types: {slots: 50}}
"""


def test_a_file_says_all_of_it_and_only_what_it_says_differs_from_the_defaults() -> None:
    found = load_texts([("herder.yaml", FILE)])
    shared = found.sharing
    assert shared.ageing == replace(Ageing(), reserve_after_ms=NEVER_MS, age_after_ms=300_000)
    assert shared.sharing.preemption == Preemption(reclaim=Reclaim.ANY, soon_s=90.0)
    assert [(each.name, each.value, each.preempts) for each in shared.sharing.priority_classes] == [
        ("urgent", 100, True),
        ("calm", -5, False),
    ]
    (project,) = shared.sharing.projects
    assert (project.nominal, project.borrowing_limit) == (Limits(16_000, 65_536), Limits(500))
    assert project.lending_limit == Limits(None, 0)
    assert shared.sharing.users == (UserQuota(user=UserName("ann"), limits=Limits(2000, None, None, 4)),)
    assert found.sharing_sections == ("fair_share", "priority_classes", "projects", "users", "job_types")
    assert shared.sharing.job_types == (
        replace(KNOWN["ml_training"], image="trainer:3", timeout_s=21_600.0),
        JobType(
            name="nightly_report",
            max_concurrent=2,
            weight_milli=1500,
            command=("make", "report"),
            env=(("A", "1"),),
            gpu=0.5,
            retries=0,
        ),
    )
    assert shared.sharing.job_slots == 50
    assert sharing_from_plain(sharing_to_plain(shared)) == shared
    plain = expanded(found)
    assert plain["users"]["ann"] == {"role": "user", "weight": 2, "quota": {"cpu": "2", "jobs": 4}}
    assert plain["fair_share"]["ageing"]["reserve_after"] is None


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        (
            "projects: {a: {borrowing_limit: {gpu: 1}}}",
            "projects.a.borrowing_limit",
            "nominal_quota does not have",
        ),
        (
            "projects: {a: {nominal_quota: {jobs: 2}, lending_limit: {jobs: 3}}}",
            "projects.a.lending_limit",
            "jobs 3 is above nominal_quota 2",
        ),
        ("priority_classes: {a: {value: 1}, b: {value: 1}}", "priority_classes.b", "'a' and 'b'"),
        ("priority_classes: {a: {}}", "priority_classes.a", "no value"),
        ("priority_classes: {a: {value: high}}", "priority_classes.a.value", "'high' is not a priority"),
        ("fair_share: {ageing: {reserve: 5m}}", "fair_share.ageing.reserve", "no such setting"),
        ("pipelines: {a: {}}", "pipelines.a", "The pipeline has no config."),
        (
            "pipelines: {a: {config: {b: 1}}}",
            "pipelines.a.config",
            "The configuration of a pipeline is text.",
        ),
        ("pipelines: {a: {config: ''}}", "pipelines.a.config", "The configuration is empty."),
        ('pipelines: {a: {config: "a\\0b"}}', "pipelines.a.config", "The configuration has a NUL character"),
        (f"pipelines: {{a: {{config: {'x' * 262_145}}}}}", "pipelines.a.config", "262,145 bytes"),
        ("projects: {a: {queued_jobs: -1}}", "projects.a.queued_jobs", "'-1' is not a number of jobs."),
        ("users: {a: {queued_jobs: 20000001}}", "users.a.queued_jobs", "'20000001' is not a number of jobs."),
        ("job_types: {a: {max_concurrent: 0}}", "job_types.a.max_concurrent", "not between 1 and"),
        ("job_types: {a: {resource_weight: 0}}", "job_types.a.resource_weight", "not between 0.001 and 1000"),
        ("job_types: {a: {cpu: many}}", "job_types.a.cpu", "many"),
        ("job_types: {a: {priority: 1.5}}", "job_types.a.priority", "not a whole number"),
        ("job_types: {a: {command: make}}", "job_types.a.command", "a list of words"),
        ("job_types: {a: {runtime: vm}}", "job_types.a.runtime", "no runtime 'vm'"),
        ("job_types: {a: {timeout: 0s}}", "job_types.a.timeout", "at least 1 ms"),
        ("job_types: {a: {gpu: 1.5}}", "job_types.a.gpu", "not a valid number of GPUs"),
        ("job_types: {'a b': {}}", "job_types.a b", "not a valid name"),
        ("job_types: {a: {maximum: 3}}", "job_types.a.maximum", "no such setting"),
        (
            "{job_types: {a: {resource_weight: 3}}, fair_share: {job_types: {slots: 2}}}",
            "fair_share.job_types",
            "takes 3 slots, more than all 2",
        ),
        ("fair_share: {job_types: {slots: 0}}", "fair_share.job_types.slots", "not between 1 and"),
        ("users: {ann: {quota: {cores: 5}}}", "users.ann.quota.cores", "no such setting"),
    ],
)
def test_a_wrong_setting_is_named_where_it_stands(text: str, key: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_texts([("herder.yaml", text)])
    (problem,) = raised.value.problems
    assert problem.key == key
    assert said in problem.message
    assert problem.place.line == 1


def test_the_schema_has_every_setting() -> None:
    schema = json_schema()["properties"]
    plain = sharing_to_plain(load_texts([("herder.yaml", FILE)]).sharing)
    for part in ("ageing", "preemption", "job_types"):
        assert set(schema["fair_share"]["properties"][part]["properties"]) == set(plain["fair_share"][part])
    for section in ("projects", "priority_classes", "job_types"):
        known = set(schema[section]["additionalProperties"]["properties"])
        assert known == {"name", *next(iter(plain[section].values()))}
    assert "quota" in schema["users"]["additionalProperties"]["properties"]
