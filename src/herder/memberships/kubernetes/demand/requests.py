"""What a pod asks of its node, as the scheduler of Kubernetes counts it, in the server's table of resources. Pure.

Containers and sidecars run together; an init container runs beside the sidecars that were started before it; a request of the whole pod
replaces the sum; overhead comes on top. Called by `pods` and `nodes`.
"""

from collections.abc import Iterable, Mapping

from herder.memberships.kubernetes.objects import Container, PodSpec, Requirements
from herder.memberships.kubernetes.quantities import nano, rounded_down, rounded_up
from herder.model.values.resources import Dimensions, Resources

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
        self._nothing = [0] * len(dimensions.names)
        places = {name: place for place, name in enumerate(dimensions.names)}
        units = {each.name: each.unit for each in dimensions.all}
        ours = {each.key: each.name for each in dimensions.declared} | _BUILT_IN
        self._places = {resource: (places[name], units[name]) for resource, name in ours.items()}
        self._pods = places.get(PODS)

    def unknown(self, resources: Iterable[str]) -> str:
        """The first that no worker could be known to have; empty: all are known."""
        return next((each for each in sorted(resources) if each not in self._places), "")

    def request(self, amounts: Mapping[str, int]) -> Resources:
        """Rounded up; a pod takes one place. Raises QuantityError."""
        sums = self._nothing.copy()
        for resource, amount in amounts.items():
            found = self._places.get(resource)
            if found is not None:
                sums[found[0]] += rounded_up(amount, found[1])
        if self._pods is not None:
            sums[self._pods] = 1
        return self.table.of(sums)

    def capacity(self, quantities: Mapping[str, str]) -> Resources:
        """Rounded down. Raises QuantityError."""
        sums = self._nothing.copy()
        for resource, text in quantities.items():
            found = self._places.get(resource)
            if found is not None:
                sums[found[0]] += rounded_down(nano(text), found[1])
        return self.table.of(sums)


def effective(spec: PodSpec) -> _Amounts:
    """By Kubernetes' name, in thousand-millionths. Raises QuantityError."""
    running: _Amounts = {}
    for container in spec.containers or ():
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
