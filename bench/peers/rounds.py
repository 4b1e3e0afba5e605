"""The rounds: Herder, a peer, Herder, the next peer, and again. Starts and stops each for its turn. Called by `command`."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.peers.environment import Environment, Missing
from bench.peers.herder import Herder
from bench.peers.peer import Peer, PeerFailed, Work
from bench.peers.ratios import Ratio, Sample, ratios
from bench.server.stores import Store, open_store
from bench.server.usage import family_s
from bench.server.world import SETTLE_S

#: Before what counts, of each kind of work.
WARM_UP = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Jobs of each kind, and how often everything is measured."""

    rounds: int = 3
    noop: int = 10_000
    process: int = 1_000
    start: int = 200

    def jobs(self, work: Work) -> int:
        return {Work.NOOP: self.noop, Work.PROCESS: self.process, Work.START: self.start}[work]


FULL = Sizes()
QUICK = Sizes(rounds=3, noop=300, process=60, start=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    name: str
    version: str
    store: str
    """Of the Herder that it was compared with."""
    durable: str
    ratios: tuple[Ratio, ...]


@dataclass(slots=True, kw_only=True)
class Outcome:
    compared: list[Compared] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Name and reason of each peer that could not be installed, started, or did not do its work."""


def run(peers: Sequence[Peer], sizes: Sizes, folder: Path, say: Callable[[str], None]) -> Outcome:
    environment = Environment(folder=folder / "environment")
    outcome = Outcome()
    versions: dict[str, str] = {}
    for peer in peers:
        say(f"{peer.name}: install …")
        try:
            versions[peer.name] = peer.install(environment)
        except Missing as error:
            outcome.missing[peer.name] = str(error)
    present = [peer for peer in peers if peer.name in versions]
    measured: dict[str, list[tuple[list[Sample], list[Sample]]]] = {}
    with ExitStack() as stack:
        stores = {kind: stack.enter_context(open_store(kind)) for kind in sorted({p.store for p in present})}
        for number in range(1, sizes.rounds + 1):
            for peer in [each for each in present if each.name not in outcome.missing]:
                say(f"round {number} of {sizes.rounds}: Herder ({peer.store}), {peer.name} …")
                store = stores[peer.store]
                herder = turn(Herder(store=peer.store), environment, store, sizes, folder)
                try:
                    other = turn(peer, environment, store, sizes, folder)
                except (Missing, PeerFailed) as error:
                    outcome.missing[peer.name] = str(error)
                    continue
                measured.setdefault(peer.name, []).append((herder, other))
    outcome.compared = [
        Compared(
            name=peer.name,
            version=versions[peer.name],
            store=peer.store,
            durable=peer.durable,
            ratios=tuple(ratios(peer.name, measured[peer.name])),
        )
        for peer in present
        if peer.name not in outcome.missing
    ]
    return outcome


def turn(peer: Peer, environment: Environment, store: Store, sizes: Sizes, folder: Path) -> list[Sample]:
    """All work of one peer once, from its start to its stop. Raises Missing, PeerFailed."""
    place = tempfile.TemporaryDirectory(prefix="turn-", dir=folder, ignore_cleanup_errors=True)
    with place as own, store.fresh() as url, peer.running(environment, Path(own), url) as running:
        samples = []
        for work in Work:
            jobs = sizes.jobs(work)
            running.run(work, min(WARM_UP, jobs))
            before = family_s(psutil.Process())
            took = running.run(work, jobs)
            time.sleep(SETTLE_S)
            cpu_s = family_s(psutil.Process()) - before
            samples.append(Sample(work=work, jobs=jobs, took=took, cpu_s=cpu_s))
        return samples
