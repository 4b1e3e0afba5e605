"""What a pod asks of its node, as the scheduler of Kubernetes counts it, in the server's table of resources. Pure.

Containers and sidecars run together; an init container runs beside the sidecars that were started before it; a request of the whole pod
replaces the sum; overhead comes on top. Called by `pods` and `nodes`.
"""

from collections.abc import Iterable, Mapping

from herder.memberships.kubernetes.objects import Container, PodSpec, Requirements
from herder.memberships.kubernetes.quantities import nano, rounded_down, rounded_up
from herder.model.values.resources import Dimension, Dimensions, Resources

#: What Kubernetes calls our built-in dimensions.
_BUILT_IN = {
    "cpu": "cpu_milli",
    "memory": "memory_mib",
    "ephemeral-storage": "disk_mib",
    "nvidia.com/gpu": "gpu",
    "amd.com/gpu": "gpu",
    "gpu.intel.com/i915": "gpu",
    "gpu.intel.com/xe": "gpu",
}
PODS = "pods"
#: What a request of the whole pod may say.
_OF_THE_POD = ("cpu", "memory", "hugepages-")

_Amounts = dict[str, int]


class NamesOfResources:
    """Which dimension of the server's table a resource of Kubernetes is."""

    def __init__(self, dimensions: Dimensions) -> None:
        self.table = dimensions
        by_name = {each.name: each for each in dimensions.all}
        self._dimensions: dict[str, Dimension] = {each.key: each for each in dimensions.declared}
        self._dimensions |= {name: by_name[ours] for name, ours in _BUILT_IN.items()}

    def find(self, resource: str) -> Dimension | None:
        return self._dimensions.get(resource)

    def unknown(self, resources: Iterable[str]) -> str:
        """The first that no worker could be known to have; empty: all are known."""
        return next((each for each in sorted(resources) if each not in self._dimensions), "")

    def request(self, amounts: Mapping[str, int]) -> Resources:
        """Rounded up; a pod takes one place. Raises QuantityError."""
        sums: dict[str, int] = {}
        for resource, amount in amounts.items():
            dimension = self._dimensions.get(resource)
            if dimension is not None:
                sums[dimension.name] = sums.get(dimension.name, 0) + rounded_up(amount, dimension.unit)
        if PODS in self._dimensions:
            sums[self._dimensions[PODS].name] = 1
        return self.table.vector(sums)

    def capacity(self, quantities: Mapping[str, str]) -> Resources:
        """Rounded down. Raises QuantityError."""
        sums: dict[str, int] = {}
        for resource, text in quantities.items():
            dimension = self._dimensions.get(resource)
            if dimension is not None:
                sums[dimension.name] = sums.get(dimension.name, 0) + rounded_down(nano(text), dimension.unit)
        return self.table.vector(sums)


def effective(spec: PodSpec) -> _Amounts:
    """By Kubernetes' name, in thousand-millionths. Raises QuantityError."""
    running: _Amounts = {}
    for container in spec.containers:
        _add(running, _asked(container.resources))
    if spec.init_containers:
        running = _with_init(running, spec.init_containers)
    if spec.resources is not None:
        whole = _asked(spec.resources)
        running |= {name: amount for name, amount in whole.items() if name.startswith(_OF_THE_POD)}
    if spec.overhead:
        _add(running, {name: nano(text) for name, text in spec.overhead.items()})
    return running


def _with_init(running: _Amounts, init_containers: Iterable[Container]) -> _Amounts:
    sidecars: _Amounts = {}
    peak: _Amounts = {}
    for container in init_containers:
        asked = _asked(container.resources)
        if container.restart_policy == "Always":
            _add(sidecars, asked)
            _raise_to(peak, sidecars)
        else:
            together = dict(sidecars)
            _add(together, asked)
            _raise_to(peak, together)
    _add(running, sidecars)
    _raise_to(running, peak)
    return running


def _asked(resources: Requirements | None) -> _Amounts:
    """A limit without a request is one, as the API server fills it in."""
    if resources is None:
        return {}
    given = resources.requests if not resources.limits else {**resources.limits, **(resources.requests or {})}
    return {name: nano(text) for name, text in given.items()} if given else {}


def _add(to: _Amounts, amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        to[name] = to.get(name, 0) + amount


def _raise_to(lower: _Amounts, amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        if amount > lower.get(name, 0):
            lower[name] = amount
