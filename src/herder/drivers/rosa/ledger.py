"""Which workers a machine pool is to have, and which node is whose. Pure; `docs/decisions/0052` has the reasons.

A machine pool has a count and no names; the names are kept here, in a ConfigMap of the cluster. The provider chooses which node it removes when
the count becomes smaller. When that is another one than Herder's choice, the names swap: the node that stayed gets the name of the one that went.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from herder.remote.ocm.pools import MachinePool


class Entry(msgspec.Struct, kw_only=True):
    """A worker."""

    template: str
    zone: str = ""
    spot: bool = False
    leaving: bool = False
    """It was deleted, and its node is still there."""


class Ledger(msgspec.Struct, kw_only=True):
    """Of one machine pool."""

    installation: str
    pool: str
    machine_pool: str
    autoscaling: bool = False
    workers: dict[str, Entry] = msgspec.field(default_factory=dict)
    """By name, in the order in which they were asked for."""
    count: int = 0
    """What OCM was last known to have from us."""
    asked: int | None = None
    """What OCM is being asked for; None: nothing is under way."""
    making: MachinePool | None = None
    """What OCM is being asked to create."""
    by_hand: int = 0
    """How many nodes more, or fewer, than workers a person has set."""
    settings: str = ""
    """A digest of the settings that its labels, taints, price and limits are from; empty: from a person who handed it over."""
    ours: bool = True
    """It was made by Herder, or handed over with its labels, and has not been missing since."""

    @property
    def staying(self) -> list[str]:
        return [name for name, entry in self.workers.items() if not entry.leaving]

    @property
    def target(self) -> int:
        return max(0, len(self.staying) + self.by_hand)

    @property
    def pending(self) -> bool:
        """A change of the count was begun, and OCM has not got it."""
        return self.asked is not None and self.asked != self.count

    @property
    def not_asked(self) -> list[str]:
        """Workers for which OCM has not been asked for a node yet: the last ones."""
        return self.staying[max(0, self.count - self.by_hand) :] if self.pending else []

    def sized(self, replicas: int | None) -> None:
        """OCM has this count; None: its autoscaler decides. What differs from what we have asked for is a person's."""
        self.making = None
        if replicas is None:
            self.autoscaling, self.asked = True, None
            return
        if self.autoscaling:  # until now nobody counted
            self.autoscaling, self.count = False, replicas
            self.by_hand = replicas - len(self.staying)
        if self.asked is not None and (replicas != self.count or not self.pending):
            self.count, self.asked = self.asked, None
        self.by_hand += replicas - self.count
        self.count = replicas

    def deleted(self) -> None:
        """By a person; its nodes end with it."""
        self.ours, self.asked, self.making, self.count, self.by_hand = False, None, None, 0, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    name: str
    uid: str
    worker: str = ""
    """As its label says."""
    created: str = ""
    going: bool = False
    """Its object is being deleted."""
    cordoned: bool = False


class Move(NamedTuple):
    """The node is to have this worker's name, or none, and takes pods again."""

    node: Node
    worker: str


@dataclass(slots=True, kw_only=True)
class Settled:
    moves: list[Move] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Workers that were deleted and of which nothing is left."""
    nodes: dict[str, Node] = field(default_factory=dict)
    """By worker, after the moves."""


def settle(ledger: Ledger, nodes: Sequence[Node], replicas: int, *, gone: bool = False) -> Settled:
    """`replicas`: how many nodes OCM is to have. `gone`: there is no such machine pool, and no node of it will come."""
    found = Settled()
    present = sorted((node for node in nodes if not node.going), key=lambda node: (node.created, node.name))
    free = []
    for node in present:
        if node.worker in ledger.workers and node.worker not in found.nodes:
            found.nodes[node.worker] = node
        elif node.worker or not node.cordoned:  # the provider drains one that was never anybody's
            free.append(node)
    shrunk = ledger.autoscaling or len(nodes) <= replicas
    _end_leaving(ledger, found, free, {node.worker for node in nodes if node.going}, shrunk=shrunk)
    waiting = [name for name in ledger.staying if name not in found.nodes]
    if gone:
        found.ended += waiting
        return found
    for node, name in zip(free, waiting, strict=False):
        found.nodes[name] = node
        found.moves.append(Move(node, name))
    found.moves += [Move(node, "") for node in free[len(waiting) :] if node.worker]
    return found


def _end_leaving(ledger: Ledger, found: Settled, free: list[Node], going: set[str], *, shrunk: bool) -> None:
    """A node that outlived its worker is another's: the provider chose so."""
    for name in [name for name, entry in ledger.workers.items() if entry.leaving]:
        node = found.nodes.get(name)
        if name in going or (node is not None and not shrunk):
            continue
        found.ended.append(name)
        if node is not None:
            free.append(found.nodes.pop(name))
