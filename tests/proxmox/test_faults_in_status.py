"""What goes wrong at Proxmox, through the whole server: what a person reads in `herder status`, and that all is well when it has been mended.

Each fault is made in the played cluster, in the simulated world. Of the status the test reads drivers, attention and recent failures;
what only a worker has is read from its events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from herder.model.fleet.repair import RepairPolicy
from herder.model.work.job import JobState
from herder.remote.proxmox.machines.names import iso_name
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Rule, Token, Vm
from tests.proxmox.simulated import DRIVER, POOL, ProxmoxWorld
from tests.simulation.fleet import check_rest, states_of
from tests.words.rules import faults

WITHIN_S = 2_400.0
UNREPAIRED = replace(POOL, repair=RepairPolicy(rules=()))


def _grant(world: ProxmoxWorld, *without: str) -> None:
    privileges = world.cluster.state.tokens[TOKEN_ID].grants["/"]
    kept = frozenset(privileges - set(without))
    world.cluster.state.tokens[TOKEN_ID] = Token(secret=TOKEN_SECRET, grants={"/": kept})


def _renew_token(world: ProxmoxWorld) -> None:
    world.cluster.state.tokens |= world.fresh_tokens()


def _all_nodes(**changed: Any) -> Callable[[ProxmoxWorld], None]:
    def change(world: ProxmoxWorld) -> None:
        for node in world.cluster.state.nodes.values():
            for name, value in changed.items():
                setattr(node, name, value)

    return change


def _size_of_storages(gib: int) -> Callable[[ProxmoxWorld], None]:
    def change(world: ProxmoxWorld) -> None:
        for storage in world.cluster.state.storages.values():
            storage.total_bytes = gib * 2**30

    return change


def _lock(text: str) -> Callable[[ProxmoxWorld], None]:
    def change(world: ProxmoxWorld) -> None:
        for vm in world.cluster.state.vms.values():
            if vm.template:
                vm.config = {key: value for key, value in vm.config.items() if key != "lock"}
                vm.config |= {"lock": text} if text else {}

    return change


def _quorum(lost: bool) -> Callable[[ProxmoxWorld], None]:
    return lambda world: setattr(world.cluster.faults, "quorum_lost", lost)


def _rule(rule: Rule) -> Callable[[ProxmoxWorld], None]:
    return lambda world: world.cluster.faults.rules.append(replace(rule))


def _mended(world: ProxmoxWorld) -> None:
    world.cluster.faults.clear()


def _nothing(_world: ProxmoxWorld) -> None:
    pass


def _rename_template(name: str) -> Callable[[ProxmoxWorld], None]:
    def change(world: ProxmoxWorld) -> None:
        for vm in world.cluster.state.vms.values():
            if vm.template:
                vm.config["name"] = name

    return change


def _image(world: ProxmoxWorld) -> None:
    name, storage = iso_name(INSTALLATION, "burst-1-77"), world.cluster.state.storage("pve1", "local")
    storage.files[name], storage.volumes[name] = b"old", 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    reads: tuple[str, ...]
    """In one sentence of the status."""
    events: tuple[str, ...] = ()
    breaks: Callable[[ProxmoxWorld], None] = _nothing
    mends: Callable[[ProxmoxWorld], None] = _nothing
    world: dict[str, Any] = field(default_factory=dict)


#: Of the creation of a worker.
AT_CREATION = {
    "wrong token": Case(
        reads=(
            "Driver proxmox is frozen",
            f"does not accept the API token {TOKEN_ID}",
            "Check token_id and the secret",
        ),
        breaks=lambda world: setattr(world.cluster.state.tokens[TOKEN_ID], "secret", "renewed"),
        mends=_renew_token,
    ),
    "missing privilege": Case(
        reads=(f"the API token {TOKEN_ID} lacks the privilege VM.Clone on /vms/9001", "Add it to the role"),
        breaks=lambda world: _grant(world, "VM.Clone"),
        mends=_renew_token,
    ),
    "unknown template": Case(
        reads=("There is no template VM 'talos-worker' that the API token sees", "VM.Audit on /vms"),
        breaks=_rename_template("other"),
        mends=_rename_template("talos-worker"),
    ),
    "unknown storage": Case(
        reads=("Storage fast does not exist on node pve1", "Datastore.Audit on /storage/fast"),
        world={"proxmox": {"storage": "fast"}},
        mends=lambda world: world.add_storage("fast"),
    ),
    "unreachable nodes": Case(
        reads=("Template talos-worker is on node pve1, pve2, which is offline. Start the node",),
        breaks=_all_nodes(online=False),
        mends=_all_nodes(online=True),
    ),
    "a node that does not answer its proxy": Case(
        reads=(
            "Proxmox cannot reach the node while cloning template 9001 of node pve1",
            "(status 595)",
            "Check the node and its network",
        ),
        breaks=_rule(Rule(method="POST", path="/clone$", status=595, text="No route to host", times=-1)),
        mends=_mended,
    ),
    "lost quorum": Case(
        reads=("The Proxmox cluster has no quorum: it accepts no changes. Start more of its nodes",),
        breaks=_quorum(True),
        mends=_quorum(False),
    ),
    "full storage": Case(
        reads=(
            "storage local-lvm of node pve1 has 23 GiB free, and 30 GiB are needed",
            "Free memory and space there",
        ),
        breaks=_size_of_storages(45),
        mends=_size_of_storages(500),
    ),
    "storage that is full when the task comes to it": Case(
        reads=("clone failed: no space left on device. Free space or memory there, or add a node",),
        breaks=_rule(Rule(task="qmclone", text="clone failed: no space left on device", times=-1)),
        mends=_mended,
    ),
    "locked template": Case(
        reads=("VM is locked (backup). Wait for the task that has locked it",),
        breaks=_lock("backup"),
        mends=_lock(""),
    ),
    "hosts in maintenance": Case(
        reads=(
            "node pve1 is in maintenance; node pve2 is in maintenance",
            "end a maintenance, or add a node",
        ),
        breaks=_all_nodes(maintenance=True),
        mends=_all_nodes(maintenance=False),
    ),
    "a clone that ends after its time-out": Case(
        reads=(),
        events=("did not finish step create within 90 s",),
        breaks=_rule(Rule(task="qmclone", delay_ms=400_000)),
    ),
    "an image that is left over": Case(
        reads=(),
        events=("Driver proxmox listed machine burst-1-77, which belongs to no worker. It was removed",),
        breaks=_image,
    ),
}


async def lines(world: ProxmoxWorld) -> list[str]:
    status = await world.people.call("root", "GET", "/status")
    told = [*status["drivers"], *status["attention"]]
    assert [faults(each) for each in told] == [[]] * len(told)
    return told + status["recent_failures"]


async def events(world: ProxmoxWorld) -> list[str]:
    found = await world.people.call("root", "GET", "/events?limit=200")
    return [each["text"] for each in found["items"]]


async def reads(world: ProxmoxWorld, case: Case) -> None:
    for _ in range(int(WITHIN_S / 5)):
        told, happened = await lines(world), await events(world)
        if (not case.reads or any(all(part in each for part in case.reads) for each in told)) and all(
            any(part in each for each in happened) for part in case.events
        ):
            return
        await world.pause(5.0)
    raise AssertionError([told, happened])


async def comes_to_rest(world: ProxmoxWorld) -> None:
    """The job succeeds and nothing is left."""
    if DRIVER in world.core.state.frozen_drivers:
        await world.people.call("root", "POST", f"/drivers/{DRIVER}/unfreeze", {})
    await world.until(world.at_rest, WITHIN_S, "nothing is left over")
    await world.core.settle()
    check_rest(world)
    assert set(states_of(world).values()) == {JobState.SUCCEEDED}
    assert world.doubled == []


async def submit(world: ProxmoxWorld, seconds: int = 5) -> None:
    await world.people.submit(cpu=2, memory="3Gi", sleep_ms=seconds * 1000, retries=3, attempts_max=100)


#: Their tries are far apart, so that their worlds last long.
LONG = {
    "unknown template",
    "unknown storage",
    "hosts in maintenance",
    "locked template",
    "an image that is left over",
}
_NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in AT_CREATION]


@pytest.mark.parametrize("name", _NAMES)
def test_a_fault_of_a_creation(name: str) -> None:
    case = AT_CREATION[name]

    async def story(world: ProxmoxWorld) -> None:
        case.breaks(world)
        await submit(world)
        await reads(world, case)
        case.mends(world)
        await comes_to_rest(world)

    ProxmoxWorld(**case.world).run(story)  # type: ignore[arg-type]


# --- of a worker that runs


async def running(world: ProxmoxWorld, seconds: int = 5) -> Vm:
    await submit(world, seconds)
    await world.until(lambda: JobState.RUNNING in states_of(world).values())
    (vm,) = world.vms()
    return vm


def run(story: Any, **more: Any) -> None:
    ProxmoxWorld(**more).run(story)


def test_a_vm_removed_by_hand() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world, 30)
        world.cluster.remove_by_hand(vm.vmid)
        await reads(world, Case(reads=(), events=("The machine of burst-2-1 no longer exists",)))
        await comes_to_rest(world)

    run(story)


def test_a_vm_that_was_migrated_works_on_and_is_removed_there() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        world.cluster.move_by_hand(vm.vmid, "pve2" if vm.node == "pve1" else "pve1")
        await comes_to_rest(world)
        assert list(world.clones) == [vm.vmid]

    run(story)


def test_a_copy_that_a_person_made_is_not_touched() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        copy = Vm(vmid=29_001, node="pve1", config=dict(vm.config), running=True)
        world.cluster.state.vms[29_001] = copy
        await world.until(lambda: [each.vmid for each in world.vms()] == [29_001], WITHIN_S)
        assert copy.running
        world.cluster.remove_by_hand(29_001)
        await comes_to_rest(world)

    run(story)


def test_two_vms_of_one_worker_are_both_removed() -> None:
    """Such as an earlier version left behind, before they were configured."""

    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        for vmid in (29_001, 29_002):
            world.cluster.state.vms[vmid] = Vm(vmid=vmid, node="pve2", config={"name": vm.name})
        await comes_to_rest(world)

    run(story)


def test_a_worker_on_a_node_that_cannot_be_reached() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world, 30)
        node = world.cluster.state.nodes[vm.node]
        node.online = False
        world.kill_agent(vm)
        text = f"VM {vm.vmid} of worker burst-2-1 is on node {vm.node}, which is offline or does not answer. Check the node"
        await reads(world, Case(reads=("The worker cannot be removed yet", text)))
        node.online = True
        await comes_to_rest(world)

    run(story, pools=(UNREPAIRED,))


def test_a_protected_vm_is_removed_when_its_protection_is_off() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        vm.config["protection"] = "1"
        await reads(
            world, Case(reads=(f"VM {vm.vmid}", "its protection is on. Turn off its option Protection"))
        )
        vm.config["protection"] = "0"
        await comes_to_rest(world)

    run(story)


def test_a_locked_vm_is_removed_when_its_lock_is_released() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        vm.config["lock"] = "backup"
        await reads(
            world,
            Case(reads=("The worker cannot be removed yet", "VM is locked (backup). Wait for the task")),
        )
        del vm.config["lock"]
        await comes_to_rest(world)

    run(story)


def test_a_vm_under_high_availability_is_stopped_by_its_manager_and_removed_with_it() -> None:
    async def story(world: ProxmoxWorld) -> None:
        vm = await running(world)
        vm.ha_state = "started"
        await comes_to_rest(world)
        kinds = {task.kind for task in world.cluster.state.tasks.values()}
        assert "hastop" in kinds

    run(story)
