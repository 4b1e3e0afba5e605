"""Which permissions an operation needs, as Azure documents them."""

from collections.abc import Iterator
from typing import Any

from herder.testing.azure.state import Json, State

_VERBS = {
    "CreateOrUpdate": "write",
    "Delete": "delete",
    "Get": "read",
    "List": "read",
    "ListAll": "read",
    "ListByResourceGroup": "read",
}
_KINDS = {
    "VirtualMachines": "Microsoft.Compute/virtualMachines",
    "Disks": "Microsoft.Compute/disks",
    "NetworkInterfaces": "Microsoft.Network/networkInterfaces",
    "PublicIPAddresses": "Microsoft.Network/publicIPAddresses",
    "ResourceGroups": "Microsoft.Resources/subscriptions/resourceGroups",
    "ResourceSkus": "Microsoft.Compute/skus",
    "Usage": "Microsoft.Compute/locations/usages",
}
OPERATIONS = "Microsoft.Compute/locations/operations/read"
PERMISSIONS = "Microsoft.Authorization/permissions/read"
LOG = "Microsoft.Insights/eventtypes/values/read"


def needed(operation: str) -> str:
    kind, _, verb = operation.partition("_")
    action = _VERBS.get(verb) or f"{verb[0].lower()}{verb[1:]}/action"
    return f"{_KINDS[kind]}/{action}"


def linked(operation: str, body: Any) -> Iterator[tuple[str, str]]:
    """On other resources that the request refers to, and their ids."""
    properties = body.get("properties", {}) if isinstance(body, dict) else {}
    if operation == "NetworkInterfaces_CreateOrUpdate":
        for each in properties.get("ipConfigurations", ()):
            found = each["properties"]
            yield "Microsoft.Network/virtualNetworks/subnets/join/action", found["subnet"]["id"]
            if found.get("publicIPAddress"):
                yield "Microsoft.Network/publicIPAddresses/join/action", found["publicIPAddress"]["id"]
        if properties.get("networkSecurityGroup"):
            group = properties["networkSecurityGroup"]["id"]
            yield "Microsoft.Network/networkSecurityGroups/join/action", group
    if operation == "VirtualMachines_CreateOrUpdate":
        for each in properties.get("networkProfile", {}).get("networkInterfaces", ()):
            yield "Microsoft.Network/networkInterfaces/join/action", each["id"]
        yield "Microsoft.Compute/disks/write", "disks"
        image = properties.get("storageProfile", {}).get("imageReference", {}).get("id", "")
        kinds = ("galleries/images", "galleries/images/versions") if "/galleries/" in image else ("images",)
        for kind in kinds if image else ():
            yield f"Microsoft.Compute/{kind}/read", image
        for each in body.get("identity", {}).get("userAssignedIdentities", {}):
            yield "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", each


def granted(state: State) -> Json:
    return {"value": [{"actions": ["*"], "notActions": sorted(state.missing)}]}
