"""Each manifest of the page is applied to our Kubernetes API server, on a cluster whose nodes are all of other pools: the scheduler refuses it
there, Herder's plan creates the workers that the page names, and the scheduler binds it to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from ruamel.yaml import YAML

from herder.memberships.kubernetes.access.manifest_text import PRIORITY_CLASSES
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from tests.docs.page import DOCS
from tests.docs.scheduled import (
    PODS,
    apply,
    bodies,
    close,
    demand,
    grown,
    messages,
    nodes_of,
    offered,
    picture,
    place_of,
    pods,
    pools_of,
    world_of,
)  # fmt: skip
from tests.kubernetes.clusters import Json

PAGE = (DOCS / "how-to" / "scheduling-cheat-sheet.md").read_text()


@dataclass(frozen=True, slots=True)
class Recipe:
    title: str
    manifests: tuple[Json, ...]
    says: dict[str, str]
    """What stands behind `- Runs on:` and `- Demand …:`."""


def _read() -> Iterator[Recipe]:
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"```yaml\n(apiVersion:.*?)```", section, re.DOTALL)
        if blocks:
            found = tuple(each for block in blocks for each in YAML(typ="safe").load_all(block))
            says = dict(re.findall(r"^- (Runs on|Demand.*?): (.+)$", section, re.MULTILINE))
            yield Recipe(section.partition("\n")[0], found, says)


RECIPES = {each.title: each for each in _read()}


def pools(old: str = "", new: str = "", **most: int) -> tuple[PoolSpec, ...]:
    """Those of the page, with `old` replaced."""
    (text,) = re.findall(r"```yaml\n(clusters:.*?)```", PAGE, re.DOTALL)
    assert old in text
    return pools_of(text.replace(old, new), **most)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close()


#: These recipes have no line "Demand", and a test of their own.
OTHERS = {"Beside another pod", "Held back", "On every node", "Keep replicas through drains"}
TITLES = sorted(RECIPES.keys() - OTHERS)
APART = ("One replica on each worker", "At most one pod in each zone", "Evenly over zones")
PEAK = "Permanent workers, and burst workers at a peak"


def test_each_recipe_says_where_it_runs_and_what_it_demands_or_has_a_test_of_its_own() -> None:
    assert RECIPES.keys() >= OTHERS
    for title, recipe in RECIPES.items():
        more = {"Demand when burst is at its maximum"} if title == PEAK else set()
        assert recipe.says.keys() == (set() if title in OTHERS else {"Runs on", "Demand"} | more), title


@pytest.mark.parametrize("title", TITLES)
def test_a_recipe_is_demand_of_the_pool_and_runs_on_it_and_on_no_other(
    title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, given = RECIPES[title], pools()
    runs_on = set(recipe.says["Runs on"].split(", "))
    world = world_of(given, tuple(each for each in offered(given) if not runs_on & place_of(*each)))
    others = set(world.existing)
    for manifest in recipe.manifests:
        apply(world.cluster, manifest)
    assert set(nodes_of(world.cluster)) == {""}
    assert all(f"0/{len(others) + 1} nodes are available" in each for each in messages(world.cluster))
    assert demand(world) == recipe.says["Demand"]
    grown(world, monkeypatch)
    found = nodes_of(world.cluster)
    assert set(found) == world.existing.keys() - others
    assert all(runs_on & place_of(*world.existing[name]) for name in found)
    zones = Counter(world.existing[name][1].zone for name in found)
    if title in APART:
        assert zones == dict.fromkeys("abc", len(found) // 3) or title == APART[0]
    if title == APART[0]:
        assert len(set(found)) == len(found) == 3
    if title == "One template and one zone":
        assert zones == {"b": 1}


@pytest.mark.parametrize("title", TITLES)
def test_a_recipe_is_taken_by_each_place_that_the_page_names(title: str) -> None:
    recipe, given = RECIPES[title], pools()
    for name in recipe.says["Runs on"].split(", "):
        nodes = tuple(
            (spec, offer)
            for spec in given
            for template in spec.templates
            for offer in offers_of(template)
            if name in place_of(spec, offer)
        )
        world = world_of(given, nodes)
        for manifest in recipe.manifests:
            apply(world.cluster, manifest)
        assert all(nodes_of(world.cluster)), name
        assert demand(world) == "", name


@pytest.mark.parametrize("title", APART)
def test_what_is_to_be_apart_is_refused_beside_its_like_and_gets_workers(
    title: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = pools()
    world = world_of(given, offered(given)[:1])
    (manifest,) = RECIPES[title].manifests
    apply(world.cluster, manifest)
    found = nodes_of(world.cluster)
    assert found.count("permanent-0-0") == 1
    assert all("anti-affinity" in each or "topology spread" in each for each in messages(world.cluster))
    assert demand(world) == "2 × medium of permanent"
    grown(world, monkeypatch)
    assert all(nodes_of(world.cluster))


def test_a_node_without_a_zone_takes_pods_that_are_to_be_in_zones_of_their_own() -> None:
    given = pools("zones: [a, b, c], labels", "labels")
    world = world_of(given, tuple(each for each in offered(given) if each[1].name == "large")[:1])
    (manifest,) = RECIPES[APART[1]].manifests
    apply(world.cluster, manifest)
    assert nodes_of(world.cluster) == ["permanent-0-0"] * 3


def test_pods_that_may_run_in_two_pools_are_demand_of_the_other_at_the_maximum_of_the_first() -> None:
    given = pools(burst=0)
    world = world_of(given, ())
    (manifest,) = RECIPES[PEAK].manifests
    apply(world.cluster, manifest)
    assert demand(world) == RECIPES[PEAK].says["Demand when burst is at its maximum"]


@pytest.mark.parametrize(
    ("title", "old", "new"),
    [
        ("GPU workers", "pending_pods: 1, default_eligible: true", "pending_pods: 1"),
        ("GPU workers", "pending_pods: 1, default_eligible: true", "default_eligible: true"),
        ("A storage tier", "storage-tier: nvme", "storage-tier: disk"),
        ("Burst workers", "preset: burst,", "preset: burst, labels: {team: a},"),
    ],
)
def test_pods_are_not_demand_without_what_the_page_sets(title: str, old: str, new: str) -> None:
    """The last: labels of a pool replace those of its preset."""
    world = world_of(pools(old, new), ())
    (manifest,) = RECIPES[title].manifests
    apply(world.cluster, manifest)
    assert messages(world.cluster)
    assert demand(world) == ""


def test_a_pod_that_must_be_beside_another_runs_there_and_is_not_considered() -> None:
    given = pools()
    world = world_of(given, offered(given))
    (cache,), (web,) = RECIPES["Beside another pod"].manifests, RECIPES["Permanent workers"].manifests
    apply(world.cluster, cache)
    (message,) = messages(world.cluster)
    assert "didn't match pod affinity rules" in message
    seen = picture(world).pods
    (left_out,) = seen.not_considered()
    assert (seen.pending(), left_out.count) == ((), 1)
    assert "require to be beside other pods" in left_out.because
    apply(world.cluster, web)
    world.cluster.sleep(20)
    nodes = {name: each["spec"].get("nodeName", "") for name, each in pods(world.cluster).items()}
    assert nodes["cache-0"] in {nodes["web-0"], nodes["web-1"]}
    assert picture(world).pods.not_considered() == ()


def test_a_pod_with_a_gate_is_not_considered_until_the_gate_is_removed() -> None:
    world = world_of(pools(), ())
    (manifest,) = RECIPES["Held back"].manifests
    apply(world.cluster, manifest)
    seen = picture(world).pods
    (left_out,) = seen.not_considered()
    assert (seen.pending(), left_out.count) == ((), 1)
    assert "gate" in left_out.because
    (name,) = pods(world.cluster)
    patch = {"spec": {"schedulingGates": None}}
    assert world.cluster.send("PATCH", f"{PODS}/{name}", patch).status == 200
    world.cluster.sleep(5)
    assert picture(world).pods.not_considered() == ()
    assert demand(world) == "1 × medium of permanent"


def test_a_pod_of_a_daemon_set_runs_on_every_node_and_is_no_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    given = pools()
    world = world_of(given, offered(given))
    (manifest,) = RECIPES["On every node"].manifests
    apply(world.cluster, manifest)
    names = {"control-plane", *world.existing}
    assert sorted(nodes_of(world.cluster)) == sorted(names)
    seen = picture(world)
    assert (seen.pods.pending(), seen.pods.not_considered()) == ((), ())
    assert all((each.workload_pods, each.requested.cpu_milli) == (0, 100) for each in seen.all_nodes())
    world.cluster.cluster.kubelets.boot("small", world.cluster.now_ms, capacity={"cpu": "50m"})
    world.cluster.sleep(5)
    seen = picture(world)
    (left_out,) = seen.pods.not_considered()
    assert (seen.pods.pending(), left_out.count) == ((), 1)
    assert "DaemonSets" in left_out.because


def test_a_budget_lets_one_replica_be_evicted_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(pools(), ())
    for title in (APART[0], "Keep replicas through drains"):
        for manifest in RECIPES[title].manifests:
            apply(world.cluster, manifest)
    grown(world, monkeypatch)
    answers = [
        world.cluster.send(
            "POST", f"{PODS}/database-{number}/eviction", {"metadata": {"name": f"database-{number}"}}
        )
        for number in range(3)
    ]
    assert [each.status for each in answers] == [201, 429, 429]
    world.cluster.sleep(40)
    (manifest,) = RECIPES[APART[0]].manifests
    (path, body), *_ = bodies(manifest)
    assert world.cluster.send("POST", path, body).status == 201
    world.cluster.sleep(5)
    again = world.cluster.send("POST", f"{PODS}/database-1/eviction", {"metadata": {"name": "database-1"}})
    assert again.status == 201


def test_priorities_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| `([a-z-]+-workload)` \| (\d+) \| (yes|never) \|$", PAGE, re.MULTILINE)
    words = {"PreemptLowerPriority": "yes", "Never": "never"}
    assert rows == [(name, str(value), words[may]) for name, value, may, _ in PRIORITY_CLASSES]


@pytest.mark.parametrize(("priority", "displaces"), [("permanent-workload", True), ("spot-workload", False)])
def test_a_pod_of_higher_priority_displaces_others_before_it_is_demand(
    priority: str, displaces: bool
) -> None:
    given = pools()
    world = world_of(given, offered(given)[:1])
    (manifest,) = RECIPES["Permanent workers"].manifests
    web = manifest["spec"]["template"]["spec"]
    apply(world.cluster, _deployment("low", "7", web, ""))
    assert nodes_of(world.cluster) == ["permanent-0-0"]
    apply(world.cluster, _deployment("high", "4", web, priority))
    seen, low = picture(world).pods, pods(world.cluster).get("low-0")
    if not displaces:
        assert (demand(world), seen.not_considered()) == ("1 × medium of permanent", ())
        return
    assert low is not None
    assert low["metadata"]["deletionTimestamp"]
    (left_out,) = seen.not_considered()
    assert (seen.pending(), left_out.count) == ((), 1)
    assert "pods of lower priority are being removed for them" in left_out.because
    world.cluster.sleep(60)
    assert nodes_of(world.cluster) == ["permanent-0-0"]
    apply(world.cluster, _deployment("low", "7", web, ""))
    assert demand(world) == "1 × medium of permanent"


def _deployment(name: str, cpu: str, spec: Json, priority: str) -> Json:
    container = {**spec["containers"][0], "resources": {"requests": {"cpu": cpu}}}
    spec = {"containers": [container], **({"priorityClassName": priority} if priority else {})}
    takes_time = {"testing.herder.dev/stop-s": "20"}
    template = {"metadata": {"labels": {"app": name}, "annotations": takes_time}, "spec": spec}
    return {
        "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    }  # fmt: skip
