"""A connection to `Machines` without sockets: what a client takes as its wire, on real or virtual time."""

import asyncio
from collections.abc import Callable, Mapping

from herder.remote.talos.certificates import validity_of
from herder.remote.talos.errors import CertificateUnknown, Lost
from herder.remote.talos.methods import Method, Reply, Request
from herder.remote.talos.talosconfig import Identity
from herder.testing.talos.faults import Kind
from herder.testing.talos.machines import BY_PATH, Machines


class MachinesWire:
    """`changed` is called after each call: the machines may have something to do at another time."""

    def __init__(
        self, machines: Machines, now_ms: Callable[[], int], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._machines, self._now_ms, self._changed = machines, now_ms, changed

    async def call(
        self,
        address: str,
        identity: Identity | None,
        method: Method[Request, Reply],
        request: Request,
        *,
        metadata: Mapping[str, str],
        deadline_s: float,
        bytes_max: int,
    ) -> list[Reply]:
        self._machines.step(self._now_ms())
        machine = self._machines.at(address)
        if machine is None or not machine.listens:
            raise Lost("connection refused", sent=False)
        if identity is not None and machine.listens == "maintenance":
            raise CertificateUnknown(f"The certificate of Talos at {address} is self-signed.")
        if identity is None and machine.listens == "api":
            raise Lost("the connection was lost", sent=True)
        roles = None if identity is None else validity_of(identity.certificate_pem).roles
        answer = self._machines.call(machine, roles, BY_PATH[method.path], request, metadata, self._now_ms())
        self._changed()
        if answer.fault is Kind.HANG:
            await asyncio.sleep(deadline_s)
            raise Lost(f"it did not answer within {deadline_s:g} s", sent=True)
        if answer.fault is not None:
            raise Lost("the connection was lost", sent=True)
        found: list[Reply] = []
        for message in answer.messages:
            assert isinstance(message, method.reply)
            if sum(each.ByteSize() for each in found) > bytes_max:
                break
            found.append(message)
        return found

    async def close(self) -> None:
        return
