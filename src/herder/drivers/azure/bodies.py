"""What is asked of Azure for one worker: an address, a network card, a VM with its disk. Pure."""

import shlex
from dataclasses import dataclass
from typing import Any

from herder.drivers.azure.api import COMPUTE
from herder.drivers.azure.options import Wanted
from herder.drivers.azure.resources import tags_of
from herder.drivers.azure.settings import AzureSettings, Place
from herder.model.fleet.driver import StartData
from herder.model.fleet.worker import WorkerSpec
from herder.remote.azure.vms import NOTICE_URL, call_as_identity, custom_data, marketplace_image
from herder.remote.clouds.facts import facts_of, machine_name
from herder.remote.clouds.start_script import SetUp

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Of the parts of a worker: each follows from the worker, so that it can be asked for by name."""

    vm: str

    @property
    def card(self) -> str:
        return f"{self.vm}-nic"

    @property
    def address(self) -> str:
        return f"{self.vm}-ip"

    @property
    def disk(self) -> str:
        return f"{self.vm}-disk"


def names_of(installation: str, worker: str) -> Names:
    return Names(vm=machine_name(installation, worker))


@dataclass(frozen=True, slots=True)
class Bodies:
    spec: WorkerSpec
    start: StartData
    wanted: Wanted
    settings: AzureSettings
    installation: str
    place: Place

    @property
    def names(self) -> Names:
        return names_of(self.installation, self.spec.name)

    def _part(self, properties: Json) -> Json:
        facts = facts_of(self.installation, self.spec)
        return {"location": self.place.location, "tags": tags_of(facts), "properties": properties}

    @property
    def _zones(self) -> Json:
        return {"zones": [self.place.number]} if self.place.number else {}

    def address(self) -> Json:
        found = self._part({"publicIPAllocationMethod": "Static", "deleteOption": "Delete"})
        return found | {"sku": {"name": "Standard"}} | self._zones

    def card(self, address_id: str) -> Json:
        """`address_id`: empty: it has no address in the internet."""
        configuration: Json = {"subnet": {"id": self._subnet()}, "privateIPAllocationMethod": "Dynamic"}
        if address_id:
            configuration["publicIPAddress"] = {"id": address_id, "properties": {"deleteOption": "Delete"}}
        properties: Json = {"ipConfigurations": [{"name": "first", "properties": configuration}]}
        if self.settings.security_group:
            group = self.settings.security_group.replace("{location}", self.place.location)
            properties["networkSecurityGroup"] = {"id": group}
        return self._part(properties)

    def vm(self, card_id: str) -> Json:
        disk = {
            "name": self.names.disk,
            "createOption": "FromImage",
            "deleteOption": "Delete",
            "diskSizeGB": self.wanted.disk_gib,
            "managedDisk": {"storageAccountType": self.wanted.disk_type},
        }
        card = {"id": card_id, "properties": {"primary": True, "deleteOption": "Delete"}}
        properties: Json = {
            "hardwareProfile": {"vmSize": self.wanted.vm_size},
            "storageProfile": {"imageReference": image_of(self.wanted.image), "osDisk": disk},
            "osProfile": self._system(),
            "networkProfile": {"networkInterfaces": [card]},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            **self._market(),
        }
        found = self._part(properties) | self._zones
        if self.wanted.identity:
            found["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {self.wanted.identity: {}}}
        return found

    def _subnet(self) -> str:
        subnet = self.wanted.subnet.replace("{location}", self.place.location)
        if subnet.startswith("/"):
            return subnet
        network, _, name = subnet.partition("/")
        group = f"/subscriptions/{self.settings.subscription}/resourceGroups/{self.settings.resource_group}"
        return f"{group}/providers/Microsoft.Network/virtualNetworks/{network}/subnets/{name}"

    def _market(self) -> Json:
        if not self.spec.spot:
            return {"priority": "Regular"}
        price = self.wanted.spot_max_price
        return {
            "priority": "Spot",
            "evictionPolicy": self.wanted.eviction_policy,
            "billingProfile": {"maxPrice": -1 if price is None else float(price)},
        }

    def _system(self) -> Json:
        """The name of the machine is that of its VM: scheduled events name VMs, and the agent knows its host name."""
        user = self.settings.admin_user
        key = {"path": f"/home/{user}/.ssh/authorized_keys", "keyData": self.settings.ssh_public_key}
        linux = {
            "disablePasswordAuthentication": True,
            "provisionVMAgent": True,
            "ssh": {"publicKeys": [key]},
        }
        return {
            "computerName": self.names.vm,
            "adminUsername": user,
            "linuxConfiguration": linux,
            "customData": self._custom_data(),
        }

    def _removal(self) -> str:
        group = f"/subscriptions/{self.settings.subscription}/resourceGroups/{self.settings.resource_group}"
        vm = f"{group}/providers/Microsoft.Compute/virtualMachines/{self.names.vm}"
        arm = self.settings.arm_url.rstrip("/")
        address = shlex.quote(f"{arm}{vm}?api-version={COMPUTE}&forceDeletion=true")
        return call_as_identity(arm, f"-X DELETE {address}", self.wanted.identity)

    def _custom_data(self) -> str:
        set_up = SetUp(
            agent_command=self.settings.agent_command,
            engine=self.settings.container_engine,
            images=self.settings.image_names,
            notice_url=NOTICE_URL if self.spec.spot else "",
            removal=self._removal() if self.settings.deletes_itself else "",
        )
        return custom_data(self.spec, self.installation, self.start, set_up)


def image_of(image: str) -> Json:
    if image.startswith("/CommunityGalleries/"):
        return {"communityGalleryImageId": image}
    if image.startswith("/SharedGalleries/"):
        return {"sharedGalleryImageId": image}
    if image.startswith("/"):
        return {"id": image}
    return marketplace_image(image)
