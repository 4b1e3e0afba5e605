"""A whole life of a machine through tools of which one answer is a lie, and what must be true afterwards.

The answers come without sockets, so that each answer of a life can be replaced by each lie.
`python -m tests.drivers.mcp.lies` does that (EVERY=7: for one of seven), and prints how many lives that were.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx

from herder.drivers.mcp import McpDriver, McpSettings
from herder.model.fleet.driver import DriverContext, DriverError, Machine, NotFound, Phase
from herder.remote.mcp.client import ToolAnswer
from herder.remote.mcp.server import McpServer
from herder.testing.mcp import ProxmoxTools
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, small_cluster
from herder.testing.proxmox.transport import InProcessTransport
from tests.drivers.mcp.lab import Clock
from tests.drivers.mcp.test_mcp_faults import WORKER, spec
from tests.drivers.proxmox import lab

URL = "https://mcp.example/mcp"
SENTENCE_CHARACTERS_MAX = 1_200
LOOKS_MAX = 80
OF_ANOTHER_TASK = "UPID:pve1:00001001:00000001:6B099C9C:qmclone:9001:herder@pve!tests:"
WRONG_TYPES = {
    "status": ["running"],
    "exitstatus": {},
    "template": "maybe",
    "tags": 5,
    "name": {},
    "lock": [],
    "result": [{"name": 3, "ip-addresses": 5}],
}
LIES = {
    "null": "null",
    "empty": "",
    "empty list": "[]",
    "empty object": "{}",
    "number": "12",
    "word": '"yes"',
    "success without data": '{"success": true}',
    "no data": '{"data": null}',
    "data is a word": '{"data": "x"}',
    "list of numbers": '{"data": [1]}',
    "another object": '{"data": {"a": {"b": 1}}}',
    "an object without a mark": '{"data": {"memory": "512", "cores": 1}}',
    "wrapped for ever": json.dumps({"result": json.dumps({"result": json.dumps({"result": "1"})})}),
    "nested without an end": '{"data":' + "[" * 100_000,
    "nested": '{"data":' * 5_000 + "1" + "}" * 5_000,
    "half": '{"data": [{"type": "node", "no',
    "not a number": '{"data": NaN}',
    "half a letter": '{"data": "\ud800"}',
    "a NUL": "\x00",
    "another task": OF_ANOTHER_TASK,
    "a path as a task": "UPID:../../access:00001001:00000001:6B099C9C:qmclone:9001:a:",
    "wrong rows": json.dumps({"data": [{"type": "qemu", "vmid": "x", "node": 1}]}),
    "a path as a node": json.dumps({"data": [{"type": "node", "node": "../access", "status": "online"}]}),
    "wrong types": json.dumps({"data": WRONG_TYPES}),
    "another VM": json.dumps({"data": {"vmid": 100, "status": "stopped", "digest": "ab", "name": 7}}),
    "another task's end": json.dumps(
        {"data": {"upid": OF_ANOTHER_TASK, "status": "stopped", "exitstatus": "OK"}}
    ),
    "addresses that are none": json.dumps(
        {"data": {"result": [{"name": "eth0", "ip-addresses": [{"ip-address": 5}, {"ip-address": "x; y"}]}]}}
    ),
    "an error in passing": "VM is locked, sorry",
    "an error without words": '{"error": []}',
    "an error as an object": '{"error": {"message": {"a": 1}}}',
    "a cluster without sense": '{"data": [{"type": "cluster", "quorate": "x"}]}',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    at: int
    """Which answer; 0: none."""
    lie: str = ""
    acts: bool = False
    """Whether the tool has its effect all the same."""
    restarts: bool = False
    """Whether the server of Herder dies of each error."""


class Tools:
    """What `McpClient` is to the driver."""

    def __init__(self, tools: ProxmoxTools, point: Point, cluster: Proxmox) -> None:
        self.server = McpServer(url=URL)
        self._tools, self._point, self._cluster = tools, point, cluster
        self.called: list[str] = []
        self.most_vms = 0

    def tools(self) -> Mapping[str, Any]:
        return {
            each["name"]: SimpleNamespace(input_schema=each["inputSchema"]) for each in self._tools.listed()
        }

    def about(self) -> str:
        return "played"

    def call(self, tool: str, arguments: Mapping[str, object], what: str, *, writes: bool) -> ToolAnswer:
        self.called.append(tool)
        lies = len(self.called) == self._point.at
        if lies and not self._point.acts:
            return ToolAnswer(text=LIES[self._point.lie], marked=False)
        text, marked = self._tools.call(tool, arguments)
        self.most_vms = max(self.most_vms, sum(vmid >= 20_000 for vmid in self._cluster.state.vms))
        return ToolAnswer(text=LIES[self._point.lie] if lies else text, marked=marked and not lies)

    def close(self) -> None:
        return


class Life:
    def __init__(self, point: Point) -> None:
        self.point, self.clock = point, Clock()
        self.cluster = Proxmox(small_cluster(nodes=2))
        transport = InProcessTransport(self.cluster, self.clock.now_ms)
        headers = {"Authorization": f"PVEAPIToken={TOKEN_ID}={TOKEN_SECRET}"}
        url = "https://pve.example:8006/api2/json"
        self._http = httpx.Client(base_url=url, headers=headers, transport=transport)
        self.tools = Tools(ProxmoxTools(self._http), point, self.cluster)
        self.errors: list[DriverError] = []
        self._driver = self._opened()

    def _opened(self) -> McpDriver:
        context = DriverContext(name="mcp", installation="lab", clock=self.clock)
        return McpDriver(McpSettings(url=URL), context, self.tools)  # type: ignore[arg-type]

    def run(self) -> None:
        before = {vmid: dict(vm.config) for vmid, vm in self.cluster.state.vms.items()}
        try:
            self._until_running()
            for look in (self._driver.list, self._driver.checks, self._driver.quotas, self._console):
                self._try(look)
            self._until_gone()
        finally:
            self._http.close()
        for text in map(str, self.errors):
            assert len(text) <= SENTENCE_CHARACTERS_MAX
            assert text.isprintable()
        after = {vmid: dict(vm.config) for vmid, vm in self.cluster.state.vms.items()}
        assert after == before, "a VM is left over, or one of others was touched"
        assert self.tools.most_vms == 1, "a worker was doubled"

    def _create(self) -> Machine:
        return self._driver.create(spec(), lab.start())

    def _console(self) -> object:
        return self._driver.console(WORKER)

    def _until_running(self) -> None:
        machine: Machine | None = None
        for _ in range(LOOKS_MAX):
            self.clock.ms += 5_000
            seen = machine
            if seen is None:
                machine = self._try(self._create)
            else:
                found = self._try(partial(self._driver.get, WORKER, seen.operation))
                gone = found is None and isinstance(self.errors[-1], NotFound)
                machine = None if gone else found or seen
            if machine is not None and machine.phase is Phase.RUNNING:
                return
        raise AssertionError(f"it never runs: {machine}; {self.errors[-1:]}")

    def _until_gone(self) -> None:
        """As the sweep does: until a listing lacks it."""
        operation = ""
        for _ in range(LOOKS_MAX):
            self.clock.ms += 5_000
            step = (
                partial(self._driver.get, WORKER, operation)
                if operation
                else partial(self._driver.delete, WORKER)
            )
            found = self._try(step)
            operation = found.operation if found is not None else ""
            if found is None and isinstance(self.errors[-1], NotFound):
                listing = self._try(self._driver.list)
                if listing is not None and listing.complete and not listing.machines:
                    return
        raise AssertionError(f"it never ends: {self.errors[-1:]}")

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except DriverError as error:
            self.errors.append(error)
            if self.point.restarts:
                self._driver = self._opened()
            return None


def answers() -> list[str]:
    """Of a life without lies: the tools in their order."""
    life = Life(Point(at=0))
    life.run()
    return life.tools.called


def points() -> list[Point]:
    return [
        Point(at=at, lie=lie, acts=acts, restarts=restarts)
        for at in range(1, len(answers()) + 1)
        for lie in LIES
        for acts in (False, True)
        for restarts in (False, True)
    ]


def main(every: int) -> int:
    failed, told = Counter[str](), points()[::every]
    for point in told:
        try:
            Life(point).run()
        except Exception as error:  # noqa: BLE001 - each is printed, and counted
            failed[type(error).__name__] += 1
            print(f"FAILED {point}: {type(error).__name__} {str(error)[:300]}", flush=True)
    print(f"{len(told)} lives with a lie, {len(answers())} answers in each. {failed.total()} failed.")
    return failed.total()


if __name__ == "__main__":
    sys.exit(main(int(os.environ.get("EVERY", "1"))) > 0)
