"""`clusters:` as people write it, the settings of pools whose workers are nodes, what is refused, and what raises a doubt."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from herder.memberships import registry
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.drain import OnBlocked
from herder.settings import SettingsError, expanded, load_texts, pool_from_plain, pool_to_plain
from herder.settings.lint import lint
from herder.settings.syntax.problems import Severity
from tests.support.fake_cluster import NODES, know_nodes

TEXT = """
clusters:
  prod: {membership: nodes, kubeconfig: /etc/herder/prod.yaml, context: admin@prod, namespaces: [shop, batch], stale_after: 2m}
  edge: {membership: nodes, api: "https://10.0.0.1:6443", token_file: /run/token, ca_file: /etc/ca.pem}
  here: {membership: nodes}
  seen: {membership: nodes, prometheus: "http://p:9090", prometheus_token_env: TOKEN, prometheus_cpu_query: nodes:cpu, prometheus_memory_query: nodes:memory}
pools:
  burst: {templates: [small], membership: nodes, cluster: prod, pending_pods: 3, pending_pods_for: 30s, evictions_at_once: 2}
"""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def refusal(clusters: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", f"clusters:\n  prod: {clusters}\n")])
    return " ".join(
        f"{each.place}: {each.key}: {each.message} {each.remedy}" for each in caught.value.problems
    )


def pool_refusal(**more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        pool_from_plain({"name": "std", "templates": ["small"], **more})
    return " ".join(f"{each.key}: {each.message} {each.remedy}" for each in caught.value.problems)


def test_all_of_it_from_a_file_and_back() -> None:
    settings = load_texts([("herder.yaml", TEXT)])
    prod, edge, here, seen = settings.clusters
    assert prod == ClusterSettings(
        name="prod",
        membership="nodes",
        kubeconfig="/etc/herder/prod.yaml",
        context="admin@prod",
        namespaces=("shop", "batch"),
        stale_after_s=120.0,
    )
    assert (edge.api, edge.token_file, edge.ca_file) == ("https://10.0.0.1:6443", "/run/token", "/etc/ca.pem")
    assert here == ClusterSettings(name="here", membership="nodes")
    assert seen == ClusterSettings(
        name="seen",
        membership="nodes",
        prometheus="http://p:9090",
        prometheus_token_env="TOKEN",
        prometheus_cpu_query="nodes:cpu",
        prometheus_memory_query="nodes:memory",
    )
    (pool,) = settings.pools
    assert (pool.membership, pool.cluster) == (NODES, "prod")
    assert (pool.scale_up.pending_pods, pool.scale_up.pending_pods_for_s) == (3, 30.0)
    assert (pool.lifetime.evictions_at_once, pool.lifetime.eviction_grace_s) == (2, None)
    assert pool_from_plain(pool_to_plain(pool)) == pool
    again = expanded(settings)
    assert load_texts([("again.yaml", json.dumps(again))]).clusters == settings.clusters


def test_pods_keep_their_budgets_unless_the_pool_says_otherwise() -> None:
    usual = {"name": "k", "templates": ["small"], "membership": "nodes", "cluster": "prod"}
    made = pool_from_plain(usual)
    assert (made.lifetime.on_blocked, made.lifetime.drain_grace_s) == (OnBlocked.WAIT, 600.0)
    assert (made.scale_up.pending_pods, made.scale_up.pending_pods_for_s) == (5, 120.0)
    forced = pool_from_plain({**usual, "on_blocked": "force", "drain_grace": "1m"})
    assert (forced.lifetime.on_blocked, forced.lifetime.drain_grace_s) == (OnBlocked.FORCE, 60.0)
    assert pool_from_plain({"name": "a", "templates": ["small"]}).lifetime.on_blocked is OnBlocked.FORCE


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        ("{kubeconfig: a, api: 'https://x:6443', token_env: T}", "has both kubeconfig and api"),
        ("{membership: nodes, context: c}", "has a context but no kubeconfig"),
        ("{membership: nodes, token_env: T}", "token_env has no effect without api"),
        ("{membership: nodes, api: 'https://x'}", "has an api address but no token"),
        (
            "{membership: nodes, api: 'https://x', token_env: T, token_file: f}",
            "The token is configured twice",
        ),
        ("{membership: nodes, api: 'ftp://x', token_env: T}", "is not a URL"),
        ("{membership: nodes, stale_after: 1s}", "stale_after must be 10s to 1h"),
        ("{membership: exchange}", "joins no cluster: its workers are not nodes"),
        ("{membership: nodes, prometheus: 'http://me:secret@x'}", "contains a user name or a password"),
        ("{membership: nodes, prometheus: prometheus}", "is not a URL"),
        (
            "{membership: nodes, prometheus_cpu_query: up}",
            "prometheus_cpu_query has no effect without prometheus",
        ),
        (
            "{membership: nodes, prometheus: 'http://x', prometheus_token_env: T, prometheus_token_file: f}",
            "The token of Prometheus is configured twice",
        ),
        (
            f"{{membership: nodes, prometheus: 'http://x', prometheus_memory_query: {'x' * 4001}}}",
            "The query has 4,001 characters, more than 4,000",
        ),
        ("{membership: nodez}", "Did you mean 'nodes'"),
        ("{membership: nodes, kubeconfg: a}", "kubeconfg"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(clusters: str, words: str) -> None:
    text = refusal(clusters)
    assert words in text
    assert "herder.yaml:2" in text


def test_a_cluster_is_needed_by_nodes_and_by_nobody_else() -> None:
    assert "needs a cluster, because its workers are nodes" in pool_refusal(membership="nodes")
    assert "cluster has no effect" in pool_refusal(cluster="prod")
    over = pool_refusal(membership="nodes", cluster="prod", evictions_at_once=101)
    assert "evictions_at_once 101 is above 100" in over


def test_who_grows_first_is_another_pool_that_is_measured() -> None:
    text = """
pools:
  permanent: {templates: [small]}
  burst: {templates: [small], cpu_pressure: 80%, grows_after: [permanent, lost]}
  lone: {templates: [small], grows_after: [lone]}
"""
    found = "\n".join(f"{each.key}: {each.message}" for each in lint(load_texts([("herder.yaml", text)])))
    assert "pools.burst.grows_after: Pool permanent has no cpu_pressure or memory_pressure" in found
    assert "grows_after names pool 'lost', which these files do not define." in found
    assert "grows_after names itself." in found
    assert "grows_after has no effect without cpu_pressure or memory_pressure." in found


def test_what_is_left_alone_raises_a_doubt() -> None:
    found = [f"{each.key}: {each.message}" for each in lint(load_texts([("herder.yaml", TEXT)]))]
    assert "clusters.edge: No pool uses cluster 'edge'." in found
    assert not any("cluster 'prod'" in each for each in found)
    lone = TEXT.replace("cluster: prod", "cluster: prob")
    texts = [f"{each.message} {each.remedy}" for each in lint(load_texts([("herder.yaml", lone)]))]
    assert any("Cluster 'prob' is not defined under `clusters`." in each for each in texts)


@pytest.mark.parametrize(
    ("server", "severity"), [("clusters: {prod: {}}\n", Severity.ERROR), ("", Severity.WARNING)]
)
def test_an_undefined_cluster_is_an_error_where_a_server_would_refuse_it(
    server: str, severity: Severity
) -> None:
    pools = "pools:\n  burst: {driver: gcp, membership: kubernetes, cluster: prob, templates: [small]}\n"
    found = [each for each in lint(load_texts([("herder.yaml", server + pools)])) if "'prob'" in each.message]
    assert [each.severity for each in found] == [severity]
    assert ("or use prod" in found[0].remedy) == bool(server)


def test_a_driver_whose_workers_are_no_machines_makes_no_nodes() -> None:
    text = """
drivers:
  jobs: {kind: kubernetes-jobs, settings: {image: x}}
  pretend: {kind: pretend}
clusters:
  prod: {membership: nodes}
pools:
  omitted: {membership: nodes, cluster: prod, templates: [small]}
  pods: {membership: nodes, cluster: prod, driver: jobs, templates: [small]}
  right: {membership: nodes, cluster: prod, driver: pretend, templates: [small]}
"""
    found = [each for each in lint(load_texts([("h.yaml", text)])) if each.key.endswith(".driver")]
    assert [each.key for each in found] == ["pools.omitted.driver", "pools.pods.driver"]
    assert found[0].severity is Severity.WARNING
    assert "Driver 'local' (kind local) creates no machines that become nodes" in found[0].message


def test_a_pool_of_kubernetes_jobs_has_workers_for_one_job() -> None:
    text = """
drivers:
  prod-jobs: {kind: kubernetes-jobs, settings: {image: x}}
pools:
  several: {driver: prod-jobs, templates: [small]}
  one: {driver: prod-jobs, templates: [small], one_job_per_worker: true}
  other: {driver: local, templates: [small]}
"""
    found = [each for each in lint(load_texts([("h.yaml", text)])) if each.key.endswith("one_job_per_worker")]
    (told,) = found
    assert (told.key, told.severity, told.remedy) == (
        "pools.several.one_job_per_worker",
        Severity.WARNING,
        "Set one_job_per_worker: true.",
    )
    assert "h.yaml:5" in str(told.place)
    assert told.message == (
        "Driver 'prod-jobs' creates each worker as a Kubernetes Job for one job of Herder, but one_job_per_worker is false."
    )
