"""The orders in which known systems pack, in our words: what Herder must never do worse than on the sets it is measured with.

They are re-written from the descriptions, not copied, and leave out what has no say here (affinity, spread, limits).
"""

from collections.abc import Callable, Sequence

from herder.decide.packing.pack import BinOffer, ItemGroup
from herder.model.values.resources import Resources

Peer = Callable[[Sequence[ItemGroup], Sequence[BinOffer]], int]


class Open:
    """A new bin and what is still free in it."""

    __slots__ = ("cpu", "held", "memory", "offer", "slots")

    def __init__(self, offer: BinOffer) -> None:
        self.offer = offer
        self.cpu, self.memory, self.slots = offer.size.cpu_milli, offer.size.memory_mib, offer.slots
        self.held: Resources = Resources()

    def take(self, size: Resources) -> bool:
        if size.cpu_milli > self.cpu or size.memory_mib > self.memory or self.slots <= 0:
            return False
        self.cpu -= size.cpu_milli
        self.memory -= size.memory_mib
        self.slots -= 1
        self.held = self.held.plus(size)
        return True


def _each(items: Sequence[ItemGroup]) -> list[Resources]:
    return [item.size for item in items for _ in range(item.count)]


def _first_fit(sizes: Sequence[Resources], offer: BinOffer) -> list[Open]:
    bins: list[Open] = []
    full = 0
    least = min(size.cpu_milli for size in sizes), min(size.memory_mib for size in sizes)
    for size in sizes:
        for place in range(full, len(bins)):
            if bins[place].take(size):
                break
        else:
            bins.append(Open(offer))
            assert bins[-1].take(size)
        while full < len(bins) and (bins[full].cpu < least[0] or bins[full].memory < least[1]):
            full += 1
    return bins


def _cheapest(
    items: Sequence[ItemGroup], offers: Sequence[BinOffer], order: Callable[[BinOffer], object]
) -> int:
    """One offer for all, the one that is cheapest in the end: cluster-autoscaler scales one group at a time."""
    costs = []
    for offer in offers:
        if all(item.size.fits_in(offer.size) for item in items):
            key = order(offer)
            sizes = sorted(_each(items), key=key, reverse=True)  # type: ignore[arg-type]
            costs.append(len(_first_fit(sizes, offer)) * offer.price_pico_per_hour)
    return min(costs)


def first_fit_decreasing(items: Sequence[ItemGroup], offers: Sequence[BinOffer]) -> int:
    """By CPU, then memory."""
    return _cheapest(items, offers, lambda offer: lambda size: (size.cpu_milli, size.memory_mib))


def cluster_autoscaler_like(items: Sequence[ItemGroup], offers: Sequence[BinOffer]) -> int:
    """By the sum of the shares of the template, first fit."""
    return _cheapest(
        items,
        offers,
        lambda offer: (
            lambda size: size.cpu_milli / offer.size.cpu_milli + size.memory_mib / offer.size.memory_mib
        ),
    )


def karpenter_like(items: Sequence[ItemGroup], offers: Sequence[BinOffer]) -> int:
    """CPU, then memory, the largest first; onto the open bin with the fewest items that some offer can still hold; in the
    end each bin is the cheapest offer that holds its content."""
    bins: list[list[object]] = []  # [count, cpu, memory, can still be]
    most_cpu = max(offer.size.cpu_milli for offer in offers)
    for size in sorted(_each(items), key=lambda size: (size.cpu_milli, size.memory_mib), reverse=True):
        bins.sort(key=lambda row: row[0])  # type: ignore[arg-type, return-value]
        for row in bins:
            cpu, memory = row[1] + size.cpu_milli, row[2] + size.memory_mib  # type: ignore[operator]
            if cpu > most_cpu:
                continue
            still = [
                offer
                for offer in row[3]  # type: ignore[attr-defined]
                if cpu <= offer.size.cpu_milli and memory <= offer.size.memory_mib and row[0] < offer.slots  # type: ignore[operator]
            ]
            if still:
                row[:] = [row[0] + 1, cpu, memory, still]  # type: ignore[operator]
                break
        else:
            fits = [offer for offer in offers if size.fits_in(offer.size)]
            bins.append([1, size.cpu_milli, size.memory_mib, fits])
    return sum(min(offer.price_pico_per_hour for offer in row[3]) for row in bins)  # type: ignore[attr-defined]


def ray_like(items: Sequence[ItemGroup], offers: Sequence[BinOffer]) -> int:
    """Open the offer that would be used best (least-used resource first, then the mean), fill it first fit; and again.
    Price has no say."""
    left = sorted(_each(items), key=lambda size: (size.cpu_milli, size.memory_mib), reverse=True)
    cost = 0
    while left:
        best: tuple[tuple[float, float], BinOffer, list[Resources]] | None = None
        for offer in offers:
            target = Open(offer)
            rest = [size for size in left if not target.take(size)]
            used = (
                1 - target.cpu / offer.size.cpu_milli,
                1 - target.memory / offer.size.memory_mib,
            )
            score = min(used), sum(used) / 2
            if len(rest) < len(left) and (best is None or score > best[0]):
                best = score, offer, rest
        assert best is not None
        cost += best[1].price_pico_per_hour
        left = best[2]
    return cost


PEERS: dict[str, Peer] = {
    "first fit decreasing": first_fit_decreasing,
    "cluster-autoscaler-like": cluster_autoscaler_like,
    "karpenter-like": karpenter_like,
    "ray-like": ray_like,
}
