"""The played workspace of Terra: what its description refuses, what a VM and its jobs go through, and its lists."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.testing.fakes import InProcessTransport, Rule, serving
from herder.testing.terra import REGION, TOKEN, WORKSPACE, Terra
from herder.testing.terra.description import API, FILE
from herder.testing.terra.settings import IMAGE

PLACE = f"/api/workspaces/v1/{WORKSPACE}"
VMS = f"{PLACE}/resources/controlled/azure/vm"
RESOURCE = "5b0a6f5e-8b3f-4a55-9d0f-2f6c1d7e8a01"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class World:
    def __init__(self) -> None:
        self.now_ms = 0
        self.terra = Terra()
        self.client = httpx.Client(
            base_url="https://workspace.example",
            transport=InProcessTransport(self.terra, lambda: self.now_ms),
            headers=HEADERS,
        )

    def call(self, method: str, path: str, **how: Any) -> httpx.Response:
        return self.client.request(method, path, **how)

    def message(self, method: str, path: str, **how: Any) -> str:
        answer = self.call(method, path, **how)
        assert answer.status_code >= 400
        report = answer.json()
        assert report["statusCode"] == answer.status_code
        return f"{answer.status_code} {report['message']}"


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    found.client.close()


def body(
    job: str = "job-1", resource: str = RESOURCE, name: str = "a", vm: dict[str, Any] | None = None, **common: Any
) -> dict[str, Any]:  # fmt: skip
    image = dict(zip(("publisher", "offer", "sku", "version"), IMAGE.split(":"), strict=True))
    found = {
        "name": name, "cloningInstructions": "COPY_NOTHING", "accessScope": "PRIVATE_ACCESS", "managedBy": "USER",
        "resourceId": resource, **common,
    }  # fmt: skip
    asked = {
        "name": "hd-1", "vmSize": "Standard_D2ds_v5", "vmImage": image,
        "vmUser": {"name": "herder", "password": "aA1-aaaaaaaaaaaa"}, **(vm or {}),
    }  # fmt: skip
    return {"common": found, "azureVm": asked, "jobControl": {"id": job}}


def test_the_description_is_the_one_that_was_taken() -> None:
    found = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert found == "52b5a26a988476027c020f599c983b3b07bef3587dbefd475f59ba0e7c613a04"
    assert len(API.methods) == 8


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"vm": {"prioritie": "SPOT"}}, "property prioritie is unknown"),
        ({"vm": {"priority": "Spot"}}, "'Spot' is none of REGULAR, SPOT"),
        ({"vm": {"ephemeralOSDisk": True}}, "True is no string"),
        ({"vm": {"name": "a b"}}, "Invalid Azure IP or Subnet name"),
        ({"vm": {"vmImage": {"publisher": "a"}}}, "Missing required fields for vmImage"),
        ({"vm": {"vmImage": {"uri": "/subscriptions/x"}}}, "images of the marketplace alone"),
        ({"vm": {"customData": "#!"}}, "HttpMessageNotReadableException"),
        ({"vm": {"customData": base64.b64encode(b"a" * 66_000).decode()}}, "at most 87380"),
        ({"vm": {"userAssignedIdentities": ["x"]}}, "application-managed"),
        ({"name": "-a"}, "Invalid resource name"),
        ({"resource": "a"}, "HttpMessageNotReadableException"),
        ({"managedBy": "APPLICATION"}, "private resources of users"),
        ({"properties": [{"key": "_a", "value": ""}]}, "Invalid property key"),
        ({"properties": [{"key": "a"}]}, "property value is missing"),
    ],
)
def test_a_request_that_is_wrong_is_refused(world: World, changed: dict[str, Any], words: str) -> None:
    assert re.match(f"400 .*{words}", world.message("POST", VMS, json=body(**changed)))
    without = body()
    del without["azureVm"]["vmUser"]
    assert "vmUser" in world.message("POST", VMS, json=without)
    assert (world.terra.state.vms, world.terra.state.jobs) == ({}, {})


def test_what_is_not_described_is_refused(world: World) -> None:
    assert world.message("GET", "/api/none").startswith("404")
    assert "parameter is unknown" in world.message("GET", f"{PLACE}/resources", params={"tag": "x"})
    assert "is none of" in world.message("GET", f"{PLACE}/resources", params={"resource": "VM"})
    assert "is no integer" in world.message("GET", f"{PLACE}/resources", params={"limit": "many"})
    assert world.message("GET", PLACE, headers={"Authorization": "Bearer x"}).startswith("401")
    assert world.message("GET", PLACE.replace("3c", "00")).startswith("404 Workspace 00")
    assert world.message("GET", f"{VMS}/{RESOURCE}") == "404 Resource not found."
    assert world.message("GET", f"{VMS}/create-result/x") == "404 Job not found"


def test_the_life_of_a_vm(world: World) -> None:
    made = world.call("POST", VMS, json=body())
    assert (made.status_code, made.json()["jobReport"]["status"]) == (200, "RUNNING")
    assert world.message("POST", VMS, json=body()) == "409 Received duplicate jobId job-1"
    seen = world.call("GET", f"{VMS}/{RESOURCE}").json()["metadata"]
    assert (seen["state"], seen["jobId"]) == ("CREATING", "job-1")
    gone = {"jobControl": {"id": "job-2"}}
    assert "Another operation is running" in world.message("POST", f"{VMS}/{RESOURCE}", json=gone)
    assert world.call("GET", f"{VMS}/create-result/job-1").status_code == 202
    world.now_ms = 41_000
    done = world.call("GET", f"{VMS}/create-result/job-1")
    assert (done.status_code, done.json()["azureVm"]["metadata"]["state"]) == (200, "READY")
    assert world.call("POST", f"{VMS}/{RESOURCE}", json=gone).status_code == 202
    world.now_ms = 70_000
    assert world.message("GET", f"{VMS}/{RESOURCE}").startswith("404")
    jobs = world.call("GET", f"/api/workspaces/alpha1/{WORKSPACE}/jobs", params={"name": "a"}).json()[
        "results"
    ]
    assert [(each["operationType"], each["jobReport"]["status"]) for each in jobs] == [
        ("CREATE", "SUCCEEDED"),
        ("DELETE", "SUCCEEDED"),
    ]


def test_a_second_vm_of_one_id_or_name_fails_in_its_job(world: World) -> None:
    world.call("POST", VMS, json=body())
    for changed in ({"name": "b"}, {"resource": RESOURCE.replace("5b", "00")}):
        job = f"job-{changed}"
        failed = world.call("POST", VMS, json=body(job, **changed)).json()
        assert failed["jobReport"]["status"] == "FAILED"
        assert "same name" in failed["errorReport"]["message"]
    assert len(world.terra.state.vms) == 1


@pytest.mark.parametrize("keeps", [False, True])
def test_a_vm_that_could_not_be_made(world: World, keeps: bool) -> None:
    world.terra.state.keeps_broken = keeps
    world.terra.state.sold_out.add((REGION, False))
    world.call("POST", VMS, json=body())
    world.now_ms = 41_000
    failed = world.call("GET", f"{VMS}/create-result/job-1").json()
    assert failed["jobReport"]["status"] == "FAILED"
    assert '"code":"SkuNotAvailable"' in failed["errorReport"]["message"]
    if keeps:
        seen = world.call("GET", f"{VMS}/{RESOURCE}").json()["metadata"]
        assert (seen["state"], seen["errorReport"]) == ("BROKEN", failed["errorReport"])
        assert world.call("POST", f"{VMS}/{RESOURCE}", json={"jobControl": {"id": "2"}}).status_code == 202
    else:
        assert world.message("GET", f"{VMS}/{RESOURCE}").startswith("404")


def test_a_list_begins_at_a_place_and_is_sorted_by_name(world: World) -> None:
    for number in (3, 1, 2):
        ident = RESOURCE.replace("5b0a", f"000{number}")
        world.call("POST", VMS, json=body(f"job-{number}", ident, f"vm-{number}"))
    page = world.call("GET", f"{PLACE}/resources", params={"offset": 1, "limit": 5}).json()["resources"]
    assert [row["metadata"]["name"] for row in page] == ["vm-2", "vm-3"]
    other = world.call("GET", f"{PLACE}/resources", params={"resource": "AZURE_DISK"}).json()
    assert other == {"resources": []}


def test_faults_have_terras_form(world: World) -> None:
    world.terra.faults.add(Rule(path="/resources$", status=503, headers={"Retry-After": "3"}))
    answer = world.call("GET", f"{PLACE}/resources")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["message"] == "Service unavailable"


def test_it_has_an_address_for_other_programs() -> None:
    terra = Terra()
    with serving(terra, scale=60.0) as server, httpx.Client(base_url=server.url) as client:
        token = client.get("/metadata/identity/oauth2/token", headers={"Metadata": "true"}).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        assert client.get(PLACE).json()["highestRole"] == "WRITER"
