"""The role in the manifests is enough for all that Herder does in a cluster, and each of its rights is needed."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from ruamel.yaml import YAML

from herder.drivers.kubernetes_jobs.names import labels_of
from herder.memberships.kubernetes import MEMBERSHIP, manifests
from herder.memberships.kubernetes.access.preflight import check
from herder.memberships.kubernetes.access.rights import NEEDED, OF_EVERYBODY, WISHED
from herder.memberships.registry import load, offer
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.membership import LivesBy
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import Call, Right
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from tests.memberships.kubernetes.lab import TOKEN, Lab
from tests.memberships.kubernetes.test_drain import web
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time
BEYOND_RBAC = Right(group="", resource="/version", verb="get")
"""Every user may ask for it."""


async def everything(lab: Lab) -> None:
    """All verbs, each with something to do."""
    lab.node("w1")
    web(lab, 2)
    node = lab.seen_of("w1")
    lab.follow()
    seen = await lab.after(0.5)
    if seen.fault:
        raise ClusterError(seen.fault)
    await lab.cluster.cordon(node, True)
    await lab.cluster.mark(node, {"node-pool": "burst"}, ())
    emptying = await lab.cluster.empty(node, grace_s=None, at_once=1, force=False)
    if emptying.blocked:
        raise ClusterError(emptying.blocked[0].text)
    await lab.cluster.remove(node)


async def test_the_role_is_enough_and_nothing_else_is_asked_for(lab: Lab) -> None:
    used: set[Right] = set()
    for name in ("call", "watch"):
        _record(lab, name, used)
    await everything(lab)
    assert used - {BEYOND_RBAC} == {*NEEDED, *WISHED}
    assert all(check.passed for check in await lab.cluster.check())
    assert used - {BEYOND_RBAC} == {*NEEDED, *WISHED, *OF_EVERYBODY}


def _record(lab: Lab, name: str, used: set[Right]) -> None:
    kept: Callable[..., Awaitable[bytes]] = getattr(lab.connection, name)

    def call(asked: Call, *given, **more):  # type: ignore[no-untyped-def]
        used.add(asked.right)
        return kept(asked, *given, **more)

    setattr(lab.connection, name, call)


@pytest.mark.parametrize("right", NEEDED, ids=str)
async def test_each_right_is_needed_and_its_lack_is_named(lab: Lab, right: Right) -> None:
    lab.without(right.group, right.resource, right.verb)
    with pytest.raises(ClusterError, match="does not allow Herder to") as caught:
        await everything(lab)
    assert right.rule in str(caught.value)
    failed = [check for check in await lab.cluster.check() if not check.passed]
    assert [check.name for check in failed] == [str(right)]
    assert right.rule in failed[0].remedy
    assert faults(failed[0].remedy) == faults(failed[0].detail) == []


async def test_without_the_right_to_metrics_all_else_works(lab: Lab) -> None:
    (right,) = WISHED
    lab.without(right.group, right.resource, right.verb)
    await everything(lab)
    checks = {check.name: check for check in await lab.cluster.check()}
    assert checks[str(right)].passed
    assert "CPU and memory that nodes use are not known" in checks[str(right)].detail


async def test_a_check_says_when_the_cluster_does_not_answer_or_knows_nobody(lab: Lab) -> None:
    lab.api.tokens.revoke(TOKEN)
    checks = await lab.cluster.check()
    assert [check.passed for check in checks].count(False) >= 1
    assert any("refuses the credentials" in check.detail for check in checks)
    lab.api.restart(lab.clock.now_ms(), away_ms=60_000)
    (check,) = await lab.cluster.check()
    assert not check.passed
    assert "does not answer" in check.detail


@pytest.mark.parametrize(
    ("date", "passed", "detail"),
    [
        ("Fri, 27 Nov 2026 05:00:03 GMT", True, "agree"),
        ("Fri, 27 Nov 2026 04:58:00 GMT", False, "are 120 s apart"),
        ("Fri, 27 Nov 2026 05:20:00 GMT", False, "are 1,200 s apart"),
        ("today", True, "does not say its time"),
        (None, True, "does not say its time"),
    ],
)
async def test_clocks_that_differ_are_said(lab: Lab, date: str | None, passed: bool, detail: str) -> None:
    headers = {} if date is None else {"Date": date}
    answer = httpx.Response(200, json={"gitVersion": "v1.36.2", "status": {"allowed": True}}, headers=headers)
    access = Access(url="http://api", tokens=GivenToken(), unverified=True)
    connection = Connection("prod", access, transport=httpx.MockTransport(lambda _: answer))
    checks = {each.name: each for each in await check(connection, lab.clock)}
    assert (checks["clock"].passed, detail in checks["clock"].detail) == (passed, True)
    assert "whoever answers at its address gets the token" in checks["certificate"].detail
    assert [faults(each.detail) + faults(each.remedy) for each in checks.values()] == [[] for _ in checks]
    await connection.close()


def test_the_manifests_are_yaml_that_names_every_object() -> None:
    text = manifests(ClusterSettings(name="prod"))
    objects = list(YAML(typ="safe").load_all(text))
    assert [each["kind"] for each in objects] == [
        "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding",
        "PriorityClass", "PriorityClass", "PriorityClass", "ServiceAccount", "NetworkPolicy",
    ]  # fmt: skip
    classes = {each["metadata"]["name"]: each for each in objects[4:7]}
    assert {name: (each["value"], each["preemptionPolicy"]) for name, each in classes.items()} == {
        "permanent-workload": (1000, "PreemptLowerPriority"),
        "burst-workload": (500, "PreemptLowerPriority"),
        "spot-workload": (100, "Never"),
    }
    assert not any(each["globalDefault"] for each in classes.values())
    rights = {
        Right(group=rule["apiGroups"][0], resource=rule["resources"][0], verb=verb)
        for rule in objects[2]["rules"]
        for verb in rule["verbs"]
    }
    assert rights == {*NEEDED, *WISHED}


def test_pods_of_jobs_have_an_account_without_rights_and_nothing_calls_them() -> None:
    objects = list(YAML(typ="safe").load_all(manifests(ClusterSettings(name="prod"))))
    bound = {subject["name"] for each in objects for subject in each.get("subjects", ())}
    account, policy = objects[-2:]
    assert account["metadata"]["name"] not in bound
    assert account["automountServiceAccountToken"] is False
    labels = labels_of("home", "w1", "burst").items()
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels
    assert (policy["spec"]["policyTypes"], "ingress" in policy["spec"]) == (["Ingress"], False)


def test_it_is_found_by_name_and_takes_pods_by_nodes() -> None:
    assert load("kubernetes") is MEMBERSHIP
    assert MEMBERSHIP.takes_pods
    assert not MEMBERSHIP.takes_jobs
    assert MEMBERSHIP.lives_by is LivesBy.NODE


def test_the_manifests_can_be_written_again() -> None:
    """A module of the same name would take the place of the function when it is imported."""
    first = offer("kubernetes", "manifests")(ClusterSettings(name="prod"))
    assert offer("kubernetes", "manifests")(ClusterSettings(name="prod")) == first
