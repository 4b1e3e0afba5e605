"""What is asked of Workspace Manager for one worker: a controlled VM. Pure."""

import hashlib
import shlex
from dataclasses import dataclass
from typing import Any

from herder.drivers.terra.options import Wanted
from herder.drivers.terra.resources import marks_of, resource_id, vm_name
from herder.drivers.terra.settings import TerraSettings
from herder.model.fleet.driver import StartData
from herder.model.fleet.worker import WorkerSpec
from herder.remote.azure.vms import NOTICE_URL, call_as_identity, custom_data, marketplace_image
from herder.remote.clouds.facts import facts_of, machine_name
from herder.remote.clouds.start_script import SetUp
from herder.wire.worker import startup

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Body:
    spec: WorkerSpec
    start: StartData
    wanted: Wanted
    settings: TerraSettings
    installation: str

    @property
    def resource(self) -> str:
        return resource_id(self.settings.workspace, self.installation, self.spec.name)

    @property
    def name(self) -> str:
        return machine_name(self.installation, self.spec.name)

    def of_job(self, job: str, vm: Json) -> Json:
        common = {
            "name": self.name,
            "description": f"Worker {self.spec.name} of Herder",
            "cloningInstructions": "COPY_NOTHING",
            "accessScope": "PRIVATE_ACCESS",
            "managedBy": "USER",
            "resourceId": self.resource,
            "properties": marks_of(facts_of(self.installation, self.spec)),
        }
        return {"common": common, "azureVm": vm, "jobControl": {"id": job}}

    def vm(self) -> Json:
        return {
            "name": vm_name(self.resource),
            "vmSize": self.wanted.vm_size,
            "vmImage": marketplace_image(self.wanted.image),
            "vmUser": {"name": self.settings.admin_user, "password": self._password()},
            "ephemeralOSDisk": self.wanted.ephemeral_os_disk,
            "priority": "SPOT" if self.spec.spot else "REGULAR",
            "customData": self._custom_data(),
        }

    def _password(self) -> str:
        """Nobody needs it. It is as secret as the activation token; Azure wants several kinds of letters."""
        return f"aA1-{hashlib.sha256(f'password/{self.start.activation_token}'.encode()).hexdigest()[:40]}"

    def _custom_data(self) -> str:
        folder = self.settings.work_folder
        set_up = SetUp(
            agent_command=self.settings.agent_command,
            engine=self.settings.container_engine,
            images=self.settings.image_names,
            notice_url=NOTICE_URL if self.spec.spot else "",
            variables=((startup.WORK_FOLDER, folder),) if folder else (),
            removal=self._removal() if self.settings.deletes_itself else "",
        )
        return custom_data(self.spec, self.installation, self.start, set_up)

    def _removal(self) -> str:
        """The job has an id of its own: nobody asks for it again."""
        vms = f"/api/workspaces/v1/{self.settings.workspace}/resources/controlled/azure/vm"
        address = shlex.quote(f"{self.settings.url.rstrip('/')}{vms}/{self.resource}")
        body = '"{\\"jobControl\\":{\\"id\\":\\"$(cat /proc/sys/kernel/random/uuid)\\"}}"'
        request = f"-X POST -H 'Content-Type: application/json' -d {body} {address}"
        return call_as_identity(self.settings.token_resource.rstrip("/"), request)
