"""Files in a storage: uploaded, and deleted."""

from collections.abc import Mapping
from typing import Protocol

from herder.testing.proxmox.answers import ApiError, TaskFailed, bad_parameters
from herder.testing.proxmox.parts import Storage
from herder.testing.proxmox.state import State

KINDS = ("iso", "vztmpl", "import")


class Asked(Protocol):
    """A call, as far as files go."""

    @property
    def state(self) -> State: ...
    @property
    def names(self) -> Mapping[str, str]: ...
    @property
    def asked(self) -> Mapping[str, str]: ...
    @property
    def user(self) -> str: ...
    @property
    def content(self) -> bytes: ...


def storage(call: Asked) -> Storage:
    return call.state.storage(call.names["node"], call.names["storage"])


def upload(call: Asked) -> str:
    found, kind, name = storage(call), call.asked["content"], call.asked["filename"]
    content = call.content
    if kind not in KINDS:
        raise bad_parameters(
            {"content": "value '" + kind + "' does not have a value in the enumeration 'iso, vztmpl, import'"}
        )
    if kind not in found.content:
        raise ApiError(500, f"storage '{found.name}' does not support '{kind}' content")
    if kind == "iso" and not name.lower().endswith((".iso", ".img")):
        raise bad_parameters({"filename": "wrong file extension"})

    def work() -> None:
        if found.free_bytes < len(content):
            raise TaskFailed("no space left on device")
        found.files[name], found.volumes[name] = content, len(content)

    return call.state.begin(call.names["node"], "imgcopy", "", call.user, call.state.times.upload_ms, work)


def delete(call: Asked) -> str:
    found = storage(call)
    name = call.names["volume"].removeprefix(f"{found.name}:").removeprefix("iso/")
    if name not in found.volumes:
        raise ApiError(500, f"volume '{found.name}:{name}' does not exist")

    def work() -> None:
        for table in (found.files, found.volumes, found.owners):
            table.pop(name, None)

    return call.state.begin(call.names["node"], "imgdel", "", call.user, 0, work)
