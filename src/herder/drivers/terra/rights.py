"""What the account must be in the workspace, and the check of it. Called by a person who looks; changes nothing."""

from collections.abc import Sequence
from typing import Any

from herder.drivers.terra.api import Api
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check

#: From the lowest one that creates VMs of users. APPLICATION creates those of applications alone.
ROLES = ("WRITER", "OWNER", "PROJECT_OWNER")


def checks_of(api: Api) -> Sequence[Check]:
    name = f"workspace {api.workspace}"
    try:
        found = api.describe()
    except DriverError as error:
        return (Check(name=name, passed=False, detail=str(error)),)
    return (Check(name=name, passed=True), _role(found), _azure(found), _list(api))


def _role(found: dict[str, Any]) -> Check:
    role = str(found.get("highestRole") or "none")
    return Check(
        name=f"role {ROLES[0]}",
        passed=role in ROLES,
        detail=f"The role of the account is {role}.",
        remedy="" if role in ROLES else f"Share the workspace with the account as {ROLES[0]}.",
    )


def _azure(found: dict[str, Any]) -> Check:
    context = found.get("azureContext")
    state = str(((context or {}).get("operationState") or {}).get("state") or "READY")
    passed = bool(context) and state == "READY"
    remedy = "Name a workspace whose billing project is one of Azure, and wait until it is ready."
    return Check(
        name="workspace on Azure",
        passed=passed,
        detail=f"The state of its Azure context is {state}." if context else "It has no Azure context.",
        remedy="" if passed else remedy,
    )


def _list(api: Api) -> Check:
    try:
        api.vms()
    except DriverError as error:
        return Check(name="list of VMs", passed=False, detail=str(error))
    return Check(name="list of VMs", passed=True)
