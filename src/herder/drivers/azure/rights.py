"""What the driver needs of a subscription, as data: a role for its account, and the check of each permission. Called by a person who looks; changes nothing.

A permission that is not here must not be used: a test compares them with the calls that are made.
"""

import fnmatch
import json
from collections.abc import Callable, Sequence
from functools import partial

from herder.drivers.azure.api import Api, Json
from herder.drivers.azure.settings import AzureSettings
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check

#: In the resource group.
NEEDED = (
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Compute/disks/delete",
    "Microsoft.Compute/disks/read",
    "Microsoft.Compute/disks/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/restart/action",
    "Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
)
ADDRESS = (
    "Microsoft.Network/publicIPAddresses/delete",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/publicIPAddresses/read",
    "Microsoft.Network/publicIPAddresses/write",
)
GROUP = ("Microsoft.Network/networkSecurityGroups/join/action",)
IDENTITY = ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",)
#: In the subscription: what is in no resource group, or in another one.
READS = (
    "Microsoft.Compute/galleries/images/read",
    "Microsoft.Compute/galleries/images/versions/read",
    "Microsoft.Compute/images/read",
    "Microsoft.Compute/locations/operations/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Insights/eventtypes/values/read",
)


def needed(settings: AzureSettings) -> tuple[str, ...]:
    """In the resource group. Addresses are read in any case: an earlier setting may have made some."""
    found = (*NEEDED, *(ADDRESS if settings.public_ip else (ADDRESS[0], ADDRESS[2])))
    found += GROUP if settings.security_group else ()
    return found + (IDENTITY if settings.identity else ())


def checks_of(api: Api, settings: AzureSettings) -> Sequence[Check]:
    found = [_try(f"resource group {settings.resource_group}", api.resource_group)]
    for location in settings.locations:
        found.append(_try(f"sizes of VMs in {location}", partial(api.sizes, location)))
        found.append(_try(f"quotas of {location}", partial(api.usages, location)))
        if settings.prices:
            found.append(_try(f"prices in {location}", partial(api.retail_prices, location)))
    return (*found, *_permissions(api, settings))


def _permissions(api: Api, settings: AzureSettings) -> list[Check]:
    try:
        rules = api.permissions()
    except DriverError as error:
        return [Check(name=NEEDED[0], passed=False, detail=str(error))]
    group, subscription = f"resource group {settings.resource_group}", f"subscription {settings.subscription}"
    return [
        *(_right(each, rules, group) for each in needed(settings)),
        # What is given in the subscription holds in its groups, too.
        *(_right(each, rules, subscription) for each in READS if each not in NEEDED),
    ]


def _right(permission: str, rules: Sequence[Json], where: str) -> Check:
    if allowed(permission, rules):
        return Check(name=permission, passed=True)
    remedy = f"Add it to the role of the account in {where}."
    return Check(name=permission, passed=False, remedy=remedy)


def allowed(permission: str, rules: Sequence[Json]) -> bool:
    """By one of the roles of the account, as Azure decides: what a role takes away, it takes from itself alone."""
    return any(
        _matches(permission, rule.get("actions", ())) and not _matches(permission, rule.get("notActions", ()))
        for rule in rules
    )


def _matches(permission: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(permission.lower(), str(each).lower()) for each in patterns)


def _try(name: str, call: Callable[[], object]) -> Check:
    try:
        call()
    except DriverError as error:
        return Check(name=name, passed=False, detail=str(error))
    return Check(name=name, passed=True)


def documented() -> str:
    """docs/how-to/azure.md"""
    workers = _role("Herder workers", (*NEEDED, *ADDRESS, *GROUP, *IDENTITY))
    reader = _role("Herder reader", READS)
    return (
        "```sh\n"
        "SUBSCRIPTION=$(az account show --query id --output tsv)\n"
        "az group create --name herder-workers --location westeurope\n"
        f"az role definition create --role-definition '{workers}'\n"
        f"az role definition create --role-definition '{reader}'\n"
        "umask 077  # the file is a secret\n"
        "az ad sp create-for-rbac --name herder-workers --role 'Herder workers' \\\n"
        "    --scopes /subscriptions/$SUBSCRIPTION/resourceGroups/herder-workers >herder-azure.json\n"
        "az role assignment create --role 'Herder reader' --scope /subscriptions/$SUBSCRIPTION \\\n"
        "    --assignee $(python3 -c \"import json; print(json.load(open('herder-azure.json'))['appId'])\")\n"
        "```\n"
    )


def _role(name: str, actions: Sequence[str]) -> str:
    """In single quotes of the shell, which end where the subscription is put in."""
    role = {
        "Name": name,
        "Description": name,
        "Actions": list(actions),
        "AssignableScopes": ["/subscriptions/@"],
    }
    return json.dumps(role, indent=2).replace("@", "'$SUBSCRIPTION'")
