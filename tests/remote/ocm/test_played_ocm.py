"""The played OCM: its description, and what happens in it with time."""

from __future__ import annotations

import hashlib

from herder.testing.ocm import CLASSIC, HCP
from herder.testing.ocm.description import API, FILE
from tests.remote.ocm.lab import Lab, pool

SHA256 = "9f2415d2022babe298cb98c566a0f90fe94cd950cb230918f5acf4e8f9755ade"


def test_the_description_is_the_one_that_was_taken() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
    assert len(API.methods) == 13


def test_parameters_and_answers_are_checked() -> None:
    found = API.method_of("GET", "/api/clusters_mgmt/v1/clusters/a%2Fb/node_pools")
    assert found is not None
    method, names = found
    assert names == {"cluster_id": "a/b"}
    assert [str(each) for each in method.unknown_parameters({"page": "x", "sise": "1"})] == [
        "page: 'x' is no integer",
        "sise: parameter is unknown",
    ]
    assert method.answer_misfits(200, {"items": [{"replicas": "1"}]})
    assert method.answer_misfits(404, {"id": 404})
    assert not method.answer_misfits(404, {"id": "404"})


def test_the_provider_chooses_which_node_it_removes(lab: Lab) -> None:
    cluster = lab.ocm.cluster(HCP)
    told: list[str] = []
    lab.state.hooks.append(lambda what, _pool, _node: told.append(what))
    made = lab.ocm.create(cluster, pool()).pool
    lab.jump(240)
    played = lab.state.pools[HCP, "batch"]
    first, *others = played.nodes
    lab.state.removes = lambda nodes: nodes[-1]
    lab.ocm.change(cluster, made, pool(replicas=2), "replicas")
    assert played.draining == [others[-1]]
    lab.jump(60)
    assert played.nodes == [first, others[0]]
    assert told == ["node", "node", "node", "draining", "gone"]


def test_an_interruption_is_made_good(lab: Lab) -> None:
    lab.ocm.create(lab.ocm.cluster(CLASSIC), pool())
    lab.jump(240)
    played = lab.state.pools[CLASSIC, "batch"]
    lost = played.nodes[0]
    lab.state.interrupt(played, lost)
    assert len(played.nodes) == 2
    lab.jump(240)
    assert len(played.nodes) == 3
    assert lost not in played.nodes


def test_a_stock_out_and_its_end(lab: Lab) -> None:
    cluster = lab.ocm.cluster(HCP)
    lab.state.sold_out.add("m5.2xlarge")
    lab.ocm.create(cluster, pool())
    lab.jump(900)
    seen = lab.ocm.pool(cluster, "batch")
    assert (seen.current_replicas, seen.message) == (0, "Scaling: 0 of 3 replicas")
    lab.state.sold_out.clear()
    lab.state.retry_starts(lab.state.pools[HCP, "batch"])
    assert lab.ocm.pool(cluster, "batch").current_replicas == 3


def test_nodes_of_a_deleted_pool_are_drained(lab: Lab) -> None:
    cluster = lab.ocm.cluster(CLASSIC)
    lab.ocm.create(cluster, pool())
    lab.jump(240)
    played = lab.state.pools[CLASSIC, "batch"]
    lab.ocm.delete(cluster, "batch")
    assert len(played.draining) == 3
    lab.jump(60)
    assert played.nodes == []
