"""A Proxmox VE cluster in one object, on a time that is given: a request is answered with what is true at its time.

Tasks that were due by then have ended. Nothing here has a thread, a socket or a clock. Faults are `state.faults`; what a test changes
behind the back of a driver are the parts of `state`.
"""

import json
from typing import Any
from urllib.parse import unquote

from herder.testing.fakes.messages import Answer, Request
from herder.testing.proxmox.answers import PREFIX, ApiError, parameters
from herder.testing.proxmox.machines import move
from herder.testing.proxmox.parts import Token, Vm
from herder.testing.proxmox.routes import ROUTES, Call, check
from herder.testing.proxmox.settings import Inventory, ProxmoxTimes, small_cluster
from herder.testing.proxmox.state import State


class Proxmox:
    def __init__(
        self, inventory: Inventory | None = None, times: ProxmoxTimes | None = None, now_ms: int = 0
    ) -> None:
        self.state = State(inventory or small_cluster(), times or ProxmoxTimes(), now_ms)
        self.faults = self.state.faults
        self._listing: dict[str, tuple[int, Any]] = {}

    def step(self, now_ms: int) -> int | None:
        """End what is due. Answers when the next task ends; None: none runs."""
        return self.state.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        path = request.path.removeprefix(PREFIX)
        rule = self.faults.for_request(request.method, path)
        if rule is not None and rule.status:
            answer = ApiError(rule.status, rule.text or "a fault that a test asked for").answer()
        else:
            answer = self._answer(request, path)
        if rule is not None:
            answer.delay_ms, answer.cut = rule.delay_ms, rule.lose_answer
        return answer

    def _answer(self, request: Request, path: str) -> Answer:
        try:
            user, token = self._user(request.headers.get("authorization", ""))
            return Answer(status=200, body={"data": self._do(request, path, user, token)})
        except ApiError as error:
            return error.answer()
        except (ValueError, json.JSONDecodeError) as error:
            return ApiError(400, f"Parameter verification failed. {error}").answer()

    def _user(self, header: str) -> tuple[str, Token]:
        if not header.startswith("PVEAPIToken="):
            raise ApiError(401, "No ticket")
        name, _, secret = header.removeprefix("PVEAPIToken=").partition("=")
        token = self.state.tokens.get(name)
        if token is None or token.secret != secret:
            raise ApiError(401, "authentication failure")
        return name, token

    def _do(self, request: Request, path: str, user: str, token: Token) -> Any:
        asked, content = parameters(request)
        texts = {key: _text(value) for key, value in asked.items()}
        for route in ROUTES:
            found = route.pattern.fullmatch(path) if route.method == request.method else None
            if found is None:
                continue
            names = {key: unquote(value) for key, value in found.groupdict().items()}
            call = Call(state=self.state, names=names, asked=texts, user=user, token=token, content=content)
            if "node" in names:
                self.state.node(names["node"])
            check(route, call)
            if path == "/cluster/resources":
                return self._lagging(texts.get("type", ""), route.does(call))
            return route.does(call)
        raise ApiError(501, f"Method '{request.method} {path}' not implemented")

    def _lagging(self, kind: str, rows: Any) -> Any:
        at_ms, before = self._listing.get(kind, (None, None))
        if at_ms is not None and self.state.now_ms - at_ms < self.faults.listing_lag_ms:
            return before
        self._listing[kind] = (self.state.now_ms, rows)
        return rows

    # --- what happens without a call of the API

    def boot_image(self, vm: Vm) -> bytes | None:
        """Of the CD-ROM in ide2."""
        storage, _, name = vm.config.get("ide2", "").partition(",")[0].partition(":")
        if not name:
            return None
        return self.state.storage(vm.node, storage).files.get(name.removeprefix("iso/"))

    def remove_by_hand(self, vmid: int) -> None:
        """At once, with its disks."""
        vm = self.state.vms.pop(vmid)
        for storage in self.state.storages.values():
            for name in [name for name, owner in storage.owners.items() if owner == vmid]:
                del storage.owners[name], storage.volumes[name]
        self.state.tell("deleted", vm)

    def move_by_hand(self, vmid: int, node: str) -> None:
        move(self.state, self.state.vms[vmid], node)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value)
