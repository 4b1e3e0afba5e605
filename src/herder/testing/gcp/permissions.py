"""Which permissions a method needs, as Google documents them, the call that tests them, and a token for whoever asks."""

from collections.abc import Iterator
from typing import Any

from herder.testing.gcp.state import Json, State

_NAMES = {
    "compute.instances.aggregatedList": "compute.instances.list",
    "compute.disks.aggregatedList": "compute.disks.list",
}
#: The price catalogue is public.
_PUBLIC = frozenset({"cloudbilling.services.skus.list"})


def needed(method: str, body: Any) -> Iterator[str]:
    if method in _PUBLIC:
        return
    if method != "compute.instances.insert":
        yield _NAMES.get(method, method)
        return
    yield "compute.instances.create"
    yield "compute.disks.create"
    yield "compute.images.useReadOnly"
    yield "compute.subnetworks.use"
    if any(card.get("accessConfigs") for card in body.get("networkInterfaces", ())):
        yield "compute.subnetworks.useExternalIp"
    for part, permission in (
        ("metadata", "compute.instances.setMetadata"),
        ("labels", "compute.instances.setLabels"),
        ("tags", "compute.instances.setTags"),
        ("serviceAccounts", "iam.serviceAccounts.actAs"),
    ):
        if body.get(part):
            yield permission
    if any(disk.get("initializeParams", {}).get("labels") for disk in body.get("disks", ())):
        yield "compute.disks.setLabels"


def permissions_path(state: State, path: str) -> bool:
    return path == f"/v1/projects/{state.inventory.project}:testIamPermissions"


def granted(state: State, body: Json) -> Json:
    return {"permissions": [each for each in body["permissions"] if each not in state.missing]}


def token_answer(state: State) -> Json:
    """Of the token endpoint, for any service account: set `token_uri` in its file to `/token` of the fake's address."""
    return {"access_token": min(state.tokens, default=""), "expires_in": 3600, "token_type": "Bearer"}
