"""What the driver needs of a project, as data: a role for its account, and the check of each permission. Called by a person who looks; changes nothing.

A permission that is not here must not be used: a test compares them with the calls that are made.
"""

from collections.abc import Callable, Sequence
from functools import partial

from herder.drivers.gcp.api import Api
from herder.drivers.gcp.catalogue import SERVICE
from herder.drivers.gcp.settings import GcpSettings
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check

ROLE, ACCOUNT = "herderWorkers", "herder-workers"
NEEDED = (
    "compute.disks.create",
    "compute.disks.delete",
    "compute.disks.get",
    "compute.disks.list",
    "compute.disks.setLabels",
    "compute.images.get",
    "compute.images.getFromFamily",
    "compute.images.useReadOnly",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.instances.get",
    "compute.instances.getSerialPortOutput",
    "compute.instances.list",
    "compute.instances.reset",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setTags",
    "compute.machineTypes.list",
    "compute.regions.get",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
    "compute.zoneOperations.get",
    "compute.zoneOperations.list",
    "compute.zones.get",
)
#: Only when the VMs run as a service account: on that account, or on the project.
ACT_AS = "iam.serviceAccounts.actAs"


def checks_of(api: Api, settings: GcpSettings) -> Sequence[Check]:
    found = [_try(f"zone {zone}", partial(api.zone, zone)) for zone in settings.zone_names]
    if settings.image:
        found.append(_try(f"image {settings.image}", partial(api.image, settings.image)))
    found += [_try(f"quotas of {region}", partial(api.region, region)) for region in settings.regions]
    if settings.prices:
        found.append(_try("price catalogue", partial(api.skus, SERVICE)))
    return (*found, *_permissions(api, settings, reached=any(each.passed for each in found)))


def _permissions(api: Api, settings: GcpSettings, *, reached: bool) -> list[Check]:
    """`reached`: another call was answered, so that it is not the credentials that fail."""
    wanted = (*NEEDED, ACT_AS) if settings.service_account else NEEDED
    try:
        allowed = frozenset(api.allowed(wanted))
    except DriverError as error:
        return [
            Check(
                name="permissions",
                passed=False,
                detail=str(error),
                remedy="Enable the API that tells the permissions: `gcloud services enable cloudresourcemanager.googleapis.com`."
                if reached
                else "",
            )
        ]
    return [
        Check(
            name=permission,
            passed=permission in allowed,
            remedy="" if permission in allowed else _remedy(permission, settings),
        )
        for permission in wanted
    ]


def _remedy(permission: str, settings: GcpSettings) -> str:
    if permission == ACT_AS:
        return f"Give the account of this driver the role roles/iam.serviceAccountUser on {settings.service_account}."
    return f"Add {permission} to the role of the account in project {settings.project}."


def _try(name: str, call: Callable[[], object]) -> Check:
    try:
        call()
    except DriverError as error:
        return Check(name=name, passed=False, detail=str(error))
    return Check(name=name, passed=True)


def documented() -> str:
    """docs/how-to/gcp.md"""
    permissions = ",\\\n".join(NEEDED)
    return (
        "```sh\n"
        "PROJECT=my-project\n"
        "gcloud services enable compute.googleapis.com cloudbilling.googleapis.com cloudresourcemanager.googleapis.com \\\n"
        "    --project $PROJECT\n"
        f"gcloud iam roles create {ROLE} --project $PROJECT --title Herder --permissions \\\n{permissions}\n"
        f"gcloud iam service-accounts create {ACCOUNT} --project $PROJECT\n"
        f"gcloud projects add-iam-policy-binding $PROJECT --role projects/$PROJECT/roles/{ROLE} \\\n"
        f"    --member serviceAccount:{ACCOUNT}@$PROJECT.iam.gserviceaccount.com\n"
        "gcloud iam service-accounts keys create herder-gcp.json \\\n"
        f"    --iam-account {ACCOUNT}@$PROJECT.iam.gserviceaccount.com\n"
        "```\n"
    )
