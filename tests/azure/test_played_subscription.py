"""The played subscription of Azure: what its descriptions refuse, what a VM goes through, and its lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from herder.agent.machine.notice_formats import left_s
from herder.testing.azure import GROUP, SUBSCRIPTION, TOKEN, Azure
from herder.testing.azure.description import FOLDER, operations
from herder.testing.azure.settings import IMAGE
from herder.testing.fakes import InProcessTransport, Rule, serving

RESOURCES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
VMS = f"{RESOURCES}/Microsoft.Compute/virtualMachines"
CARDS = f"{RESOURCES}/Microsoft.Network/networkInterfaces"
SUBNET = f"{RESOURCES}/Microsoft.Network/virtualNetworks/herder-westeurope/subnets/workers"
COMPUTE, NETWORK = {"api-version": "2024-07-01"}, {"api-version": "2024-01-01"}
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
#: Of the extracts, as their README says where they are from.
HASHES = {
    "compute_2024-07-01.json.gz": "8deeffe7f5b272fd03c334c1cf9f94b71c5d9facc60907ae155b186779961256",
    "disks_2024-03-02.json.gz": "55f7ed5c5b2a1d65e3f33d760ad29df37bbb3546633ef0d96a1068926d664582",
    "network_2024-01-01.json.gz": "f1d97c2537d05b35abd5b62b4e0952dea4cb3cb552e916432ee10267236bad93",
    "resources_2024-07-01.json.gz": "85d6e51e97bafb10310c76d34614c03e8f8a410d5c35d8219242ee5ae7cff2ef",
    "skus_2021-07-01.json.gz": "b4cbab60b80b80c6213d3c1a9872449ec70d450c9ed04bd77f7624278f7dd273",
}


class World:
    def __init__(self) -> None:
        self.now_ms = 0
        self.azure = Azure()
        self.client = httpx.Client(
            base_url="https://management.azure.com",
            transport=InProcessTransport(self.azure, lambda: self.now_ms),
            headers=HEADERS,
        )

    def call(self, method: str, path: str, query: dict[str, Any] | None = None, **how: Any) -> httpx.Response:
        return self.client.request(method, path, params=query or COMPUTE, **how)

    def message(self, method: str, path: str, query: dict[str, Any] | None = None, **how: Any) -> str:
        answer = self.call(method, path, query, **how)
        assert answer.status_code >= 400
        error = answer.json()["error"]
        return f"{answer.status_code} {error['code']} {error['message']}"

    def card(self, name: str = "card-1") -> httpx.Response:
        configuration = {"name": "first", "properties": {"subnet": {"id": SUBNET}}}
        card = {"location": "westeurope", "properties": {"ipConfigurations": [configuration]}}
        return self.call("PUT", f"{CARDS}/{name}", NETWORK, json=card)


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    found.card()
    yield found
    found.client.close()


def body(card: str = "card-1", location: str = "westeurope", **changed: Any) -> dict[str, Any]:
    publisher, offer, sku, version = IMAGE.split(":")
    image = {"publisher": publisher, "offer": offer, "sku": sku, "version": version}
    linux = {
        "disablePasswordAuthentication": True,
        "ssh": {"publicKeys": [{"path": "/a", "keyData": "ssh-ed25519 A"}]},
    }
    network = {"id": f"{CARDS}/{card}", "properties": {"deleteOption": "Delete"}}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage"}},
        "osProfile": {"computerName": "a", "adminUsername": "a", "linuxConfiguration": linux},
        "networkProfile": {"networkInterfaces": [network]},
    }
    return {"location": location, "properties": {**properties, **changed}}


def test_the_descriptions_are_the_ones_that_were_taken() -> None:
    assert {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.gz")
    } == HASHES
    assert len(operations()) == 22


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prioritie": "Spot"}, "400 InvalidRequestContent .*property prioritie is unknown"),
        ({"priority": "spot"}, "'spot' is none of Regular, Low, Spot"),
        ({"billingProfile": {"maxPrice": "0.1"}}, "maxPrice: '0.1' is no number"),
        ({"evictionPolicy": "Delete"}, "400 InvalidParameter .*only on Azure Spot"),
        ({"priority": "Spot", "billingProfile": {"maxPrice": 0}}, "400 InvalidParameter .*-1, or more than 0"),
        ({"priority": "Spot", "billingProfile": {"maxPrice": 0.01}}, "409 OperationNotAllowed .*lower than the current spot price"),
        ({"hardwareProfile": {"vmSize": "Standard_X1"}}, "400 InvalidParameter .*Standard_X1"),
        ({"networkProfile": {"networkInterfaces": []}}, "400 InvalidParameter"),
        ({"networkProfile": {"networkInterfaces": [{"id": f"{CARDS}/none"}]}}, "400 InvalidResourceReference"),
        ({"osProfile": {"computerName": "a", "adminUsername": "a", "customData": "#!"}}, "must be in Base64"),
        ({"osProfile": {"computerName": "a", "adminUsername": "a", "customData": "QUFB" * 30_000}}, "at most 87380"),
        ({"osProfile": {"computerName": "a", "adminUsername": "a", "linuxConfiguration": {"disablePasswordAuthentication": True}}}, "either SSH or"),
        ({"osProfile": {"adminUsername": "a"}}, "osProfile.computerName"),
        ({"storageProfile": {"imageReference": {"id": "/x"}, "osDisk": {"createOption": "FromImage"}}}, "404 GalleryImageNotFound"),
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_is_refused(world: World, changed: dict[str, Any], words: str) -> None:
    assert re.match(f"(?s).*{words}", world.message("PUT", f"{VMS}/vm-1", json=body(**changed)))
    assert world.azure.state.vms == {}


def test_what_is_not_described_is_refused(world: World) -> None:
    assert world.message("GET", f"{VMS}/none").startswith("404 ResourceNotFound")
    assert world.message("GET", VMS, {"api-version": "2019-01-01"}).startswith(
        "400 InvalidApiVersionParameter"
    )
    assert "parameter is unknown" in world.message("GET", VMS, {**COMPUTE, "tag": "x"})
    assert "is none of" in world.message("GET", f"{VMS}/vm-1", {**COMPUTE, "$expand": "tags"})
    assert "is no boolean" in world.message("DELETE", f"{VMS}/vm-1", {**COMPUTE, "forceDeletion": "yes"})
    assert world.message("GET", "/subscriptions").startswith("404 InvalidResourceType")
    assert world.message("GET", VMS, headers={"Authorization": "Bearer x"}).startswith("401 Invalid")
    tags = {"location": "westeurope", "tags": {"a": "b" * 257}, "properties": {}}
    assert "InvalidTagValueLength" in world.message("PUT", f"{CARDS}/card-2", NETWORK, json=tags)


def test_the_life_of_a_vm(world: World) -> None:
    made = world.call("PUT", f"{VMS}/vm-1", json=body(), headers={"If-None-Match": "*"})
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert "customData" not in made.json()["properties"]["osProfile"]
    operation = made.headers["azure-asyncoperation"]
    assert world.client.get(operation).json()["status"] == "InProgress"
    again = world.message("PUT", f"{VMS}/vm-1", json=body(), headers={"If-None-Match": "*"})
    assert again.startswith("412 PreconditionFailed")
    assert world.message("DELETE", f"{CARDS}/card-1", NETWORK).startswith("400 NicInUse")
    world.now_ms = 13_000
    assert world.client.get(operation).json()["status"] == "Succeeded"
    view = world.call("GET", f"{VMS}/VM-1", {**COMPUTE, "$expand": "instanceView"}).json()["properties"]
    codes = [each["code"] for each in view["instanceView"]["statuses"]]
    assert codes == ["ProvisioningState/succeeded", "PowerState/running"]
    assert world.call("DELETE", f"{VMS}/vm-1", {**COMPUTE, "forceDeletion": "true"}).status_code == 202
    world.now_ms += 7_000
    assert world.message("GET", f"{VMS}/vm-1").startswith("404 ResourceNotFound")
    assert [kind for kind, _ in world.azure.state.parts] == ["disks"], "which was not to be deleted"
    assert world.call("DELETE", f"{VMS}/vm-1").status_code == 204


def test_a_vm_that_could_not_be_made_stays(world: World) -> None:
    world.azure.state.sold_out.add(("westeurope", False))
    made = world.call("PUT", f"{VMS}/vm-1", json=body())
    world.now_ms = 13_000
    found = world.client.get(made.headers["azure-asyncoperation"]).json()
    assert (found["status"], found["error"]["code"]) == ("Failed", "AllocationFailed")
    view = world.call("GET", f"{VMS}/vm-1", {**COMPUTE, "$expand": "instanceView"}).json()["properties"]
    assert view["provisioningState"] == "Failed"
    assert view["instanceView"]["statuses"][0]["code"] == "ProvisioningState/failed/AllocationFailed"


def test_an_eviction_is_told_in_the_vm_and_then_comes(world: World) -> None:
    spot = {"priority": "Spot", "evictionPolicy": "Delete"}
    world.call("PUT", f"{VMS}/vm-1", json=body(**spot))
    world.now_ms = 13_000
    assert world.call("POST", f"{VMS}/vm-1/simulateEviction").status_code == 204
    events = world.call("GET", "/metadata/scheduledevents").text
    assert left_s(events, world.now_ms, 30.0, {"vm-1"}) == 30.0
    assert left_s(events, world.now_ms, 30.0, {"another"}) is None
    world.now_ms += 36_000
    assert world.message("GET", f"{VMS}/vm-1").startswith("404")
    assert world.call("GET", "/metadata/scheduledevents").json()["Events"] == []


def test_pages_are_places_in_a_list_and_expire(world: World) -> None:
    for number in range(2, 5):
        world.card(f"card-{number}")
    world.azure.pages.rows_max = 3
    first = world.call("GET", CARDS, NETWORK).json()
    more = world.client.get(first["nextLink"]).json()
    names = [each["name"] for page in (first, more) for each in page["value"]]
    assert names == ["card-1", "card-2", "card-3", "card-4"]
    assert "nextLink" not in more
    world.now_ms += 700_000
    assert world.client.get(first["nextLink"]).json()["error"]["code"] == "InvalidSkipToken"


def test_faults_have_azures_form(world: World) -> None:
    world.azure.faults.add(Rule(path="/virtualMachines$", status=503, headers={"Retry-After": "3"}))
    answer = world.call("GET", VMS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json()["error"]["code"] == "InternalServerError"
    assert world.call("GET", VMS).json() == {"value": []}


def test_it_has_an_address_for_other_programs() -> None:
    azure = Azure()
    with serving(azure, scale=60.0) as server, httpx.Client(base_url=server.url) as client:
        token = client.post("/any/oauth2/v2.0/token", data={"grant_type": "client_credentials"}).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        assert client.get(VMS, params=COMPUTE).json() == {"value": []}
