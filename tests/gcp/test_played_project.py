"""The played project of Google Cloud: what its description refuses, what a VM goes through, and its lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.testing.fakes import InProcessTransport, serving
from herder.testing.gcp import PROJECT, TOKEN, Gcp
from herder.testing.gcp.description import FOLDER, methods
from herder.testing.gcp.settings import IMAGE

ZONE = "europe-west4-a"
VMS = f"/compute/v1/projects/{PROJECT}/zones/{ZONE}/instances"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
#: Of the extracts, as their README says where they are from.
HASHES = {
    "compute_v1.json.gz": "4a49181ae461ea252404ed30281cfb85cfe04e3cc497ceff33d621cb9620df11",
    "cloudbilling_v1.json.gz": "9df1679bd5039ffa7dbb8781721dfafaaea6a364fee2223d790a331392b18065",
}


class World:
    def __init__(self) -> None:
        self.now_ms = 0
        self.gcp = Gcp()
        self.client = httpx.Client(
            base_url="https://compute.googleapis.com",
            transport=InProcessTransport(self.gcp, lambda: self.now_ms),
            headers=HEADERS,
        )

    def call(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        answer = self.client.request(method, path, **how)
        return answer.status_code, answer.json()

    def message(self, method: str, path: str, **how: Any) -> str:
        status, found = self.call(method, path, **how)
        assert status >= 400
        return f"{status} {found['error']['errors'][0]['reason']} {found['error']['message']}"


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    found.client.close()


def body(**changed: Any) -> dict[str, Any]:
    disk = {"sourceImage": IMAGE, "diskType": f"zones/{ZONE}/diskTypes/pd-ssd"}
    return {
        "name": "vm-1",
        "machineType": f"zones/{ZONE}/machineTypes/n2-standard-2",
        "disks": [{"boot": True, "autoDelete": True, "initializeParams": disk}],
        "networkInterfaces": [{"network": "global/networks/default"}],
    } | changed


def test_the_descriptions_are_the_ones_that_were_taken() -> None:
    for name, wanted in HASHES.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == wanted
    assert len(methods()) == 17


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"machinetype": "x"}, "400 badRequest .*Unknown name \"machinetype\""),
        ({"scheduling": {"provisioningModel": "spot"}}, "'spot' is none of FLEX_START, RESERVATION_BOUND, SPOT, STANDARD"),
        ({"scheduling": {"maxRunDuration": {"seconds": 3600}}}, "scheduling.maxRunDuration.seconds: 3600 is no string"),
        ({"labels": {"a": 1}}, "labels.a: 1 is no string"),
        ({"labels": {"A": "b"}}, "400 invalid .*Label keys"),
        ({"name": "VM"}, "400 invalid .*resource.name"),
        ({"machineType": f"zones/{ZONE}/machineTypes/x1"}, "400 invalid .*resource.machineType.*does not exist"),
        ({"networkInterfaces": []}, "400 required"),
        ({"scheduling": {"provisioningModel": "SPOT"}}, "400 invalid .*automaticRestart"),
        ({"scheduling": {"maxRunDuration": {"seconds": "10"}}}, "400 invalid .*between 30 seconds and 120 days"),
        ({"scheduling": {"maxRunDuration": {"seconds": "60"}}}, "400 invalid .*instanceTerminationAction"),
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_is_refused(world: World, changed: dict[str, Any], words: str) -> None:
    import re

    assert re.match(f"(?s).*{words}", world.message("POST", VMS, json=body(**changed)))
    assert world.gcp.state.vms == {}


def test_parameters_and_methods_that_are_not_described_are_refused(world: World) -> None:
    assert 'Unknown name "returnPartialSuccess"' not in world.message("GET", f"{VMS}/none")
    assert 'Unknown name "page"' in world.message(
        "GET", f"/compute/v1/projects/{PROJECT}/aggregated/instances", params={"page": "1"}
    )
    assert "maxResults" in world.message(
        "GET", f"/compute/v1/projects/{PROJECT}/aggregated/instances", params={"maxResults": "many"}
    )
    assert world.message("GET", "/compute/v1/projects").startswith("404")
    assert world.message(
        "GET", f"/compute/v1/projects/{PROJECT}/aggregated/disks", params={"filter": "size > 3"}
    ).startswith("400 invalid")
    assert world.message("GET", f"{VMS}/vm-1", headers={"Authorization": "Bearer x"}).startswith(
        "401 authError"
    )


def test_the_life_of_a_vm(world: World) -> None:
    seen = []
    status, operation = world.call("POST", VMS, json=body())
    assert (status, operation["status"], operation["operationType"]) == (200, "RUNNING", "insert")
    assert world.message("POST", VMS, json=body()).startswith("409 alreadyExists")
    for now_ms in (0, 4_000, 11_000):
        world.now_ms = now_ms
        seen.append(world.call("GET", f"{VMS}/vm-1")[1]["status"])
    assert seen == ["PROVISIONING", "STAGING", "RUNNING"]
    assert (
        world.call("GET", f"/compute/v1/projects/{PROJECT}/zones/{ZONE}/operations/{operation['name']}")[1][
            "status"
        ]
        == "DONE"
    )
    assert world.call("DELETE", f"{VMS}/vm-1")[1]["operationType"] == "delete"
    assert world.call("GET", f"{VMS}/vm-1")[1]["status"] == "STOPPING"
    world.now_ms += 6_000
    assert world.message("GET", f"{VMS}/vm-1").startswith("404 notFound")
    assert world.gcp.state.disks == {}


def test_a_vm_that_is_deleted_while_it_comes_never_runs(world: World) -> None:
    world.call("POST", VMS, json=body())
    world.call("DELETE", f"{VMS}/vm-1")
    heard: list[str] = []
    world.gcp.state.hooks.append(lambda what, _vm: heard.append(what))
    world.gcp.step(60_000)
    assert heard == ["gone"]


def test_a_quota_counts_what_is_there(world: World) -> None:
    world.gcp.state.quotas["europe-west4"]["CPUS"] = 3.0
    world.call("POST", VMS, json=body())
    _, second = world.call("POST", VMS, json=body(name="vm-2"))
    world.now_ms = 5_000
    path = f"/compute/v1/projects/{PROJECT}/zones/{ZONE}/operations/{second['name']}"
    found = world.call("GET", path)[1]
    assert found["error"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    assert [name for _, name in world.gcp.state.vms] == ["vm-1"]


def test_a_page_token_expires(world: World) -> None:
    for number in range(3):
        world.call("POST", VMS, json=body(name=f"vm-{number}"))
    path = f"/compute/v1/projects/{PROJECT}/aggregated/instances"
    first = world.call("GET", path, params={"maxResults": 2})[1]
    again = world.call("GET", path, params={"maxResults": 2, "pageToken": first["nextPageToken"]})[1]
    names = [
        vm["name"]
        for page in (first, again)
        for scope in page["items"].values()
        for vm in scope.get("instances", ())
    ]
    assert names == ["vm-0", "vm-1", "vm-2"]
    world.now_ms = 700_000
    text = world.message("GET", path, params={"maxResults": 2, "pageToken": first["nextPageToken"]})
    assert text.startswith("400 invalid Invalid value for field 'pageToken'")


def test_it_has_an_address_for_other_programs() -> None:
    with serving(Gcp(), scale=60.0) as server, httpx.Client(base_url=server.url, headers=HEADERS) as client:
        assert client.post(VMS, json=body()).json()["status"] == "RUNNING"
        while client.get(f"{VMS}/vm-1").json()["status"] != "RUNNING":
            pass
