"""The boot data of a worker as a small ISO image of the NoCloud data source. Pure but for the library that writes the image.

With a bootstrap its data is delivered unread. Without one, cloud-init writes the variables of the agent and starts it.
"""

import io
import json

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import InvalidRequest, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.remote.proxmox.machines.names import vm_name
from herder.remote.proxmox.machines.settings import ProxmoxSettings
from herder.wire.worker import startup

LABEL = "cidata"
_MOST_BYTES = 4 * 2**20
_SERVICE = """[Unit]
Description=Herder agent
Wants=network-online.target
After=network-online.target

[Service]
EnvironmentFile=/etc/herder/agent.env
ExecStart={command}
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""


def image_for(spec: WorkerSpec, start: StartData, installation: str, settings: ProxmoxSettings) -> bytes:
    """Empty: its bootstrap configures it over the network. Raises InvalidRequest when it could never join."""
    if settings.iso_storage:
        boot = boot_data(start, spec.name, installation, settings.agent_command)
        return image(boot, vm_name(installation, spec.name), spec.name)
    if start.boot is None and spec.bootstrap:
        return b""
    lacks = f"bootstrap {spec.bootstrap} needs boot data" if spec.bootstrap else "it has no bootstrap"
    raise InvalidRequest(
        f"Pool {spec.pool}: driver {spec.driver} delivers no boot data to a machine, and {lacks}. "
        "Use a bootstrap that configures machines over the network, such as kind talos with delivery: maintenance."
    )


def boot_data(start: StartData, worker: str, installation: str, command: str) -> BootData:
    if start.boot is not None:
        return start.boot
    variables = {
        startup.SERVER: start.server_url,
        startup.WORKER: worker,
        startup.INSTALLATION: installation,
        startup.ACTIVATION_TOKEN: start.activation_token,
        startup.SELF_DELETE_AFTER_S: f"{start.self_delete_after_s:g}",
    }
    environment = "".join(f"{name}={value}\n" for name, value in variables.items())
    unit = "/etc/systemd/system/herder-agent.service"
    config = {
        "hostname": worker,
        "write_files": [
            {"path": "/etc/herder/agent.env", "permissions": "0600", "content": environment},
            {"path": unit, "permissions": "0644", "content": _SERVICE.format(command=command)},
        ],
        "runcmd": [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "herder-agent.service"]],
    }
    return BootData(user_data=f"#cloud-config\n{json.dumps(config, indent=1)}\n")


def image(boot: BootData, instance: str, worker: str) -> bytes:
    try:
        import pycdlib
    except ImportError:
        raise InvalidRequest(
            "Boot data needs the package pycdlib. Install herder[proxmox] where the server runs."
        ) from None
    meta = boot.meta_data or json.dumps({"instance-id": instance, "local-hostname": worker}) + "\n"
    files = {"user-data": boot.user_data, "meta-data": meta, "network-config": boot.network_config}
    if sum(len(text) for text in files.values()) > _MOST_BYTES:
        raise InvalidRequest(f"The boot data of worker {worker} has more than {_MOST_BYTES // 2**20} MiB.")
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    for name, text in files.items():
        if text:
            content, plain = text.encode(), name.upper().replace("-", "_")
            disc.add_fp(
                io.BytesIO(content), len(content), f"/{plain}.;1", rr_name=name, joliet_path=f"/{name}"
            )
    out = io.BytesIO()
    disc.write_fp(out)
    disc.close()
    return out.getvalue()
