"""What one VM takes of the quotas of its region, in Google's names. Pure; called by `market`.

Only where it is sure: a series whose quota is not known here, or that Google did not report, gives no need. Disks are not counted.
"""

from collections.abc import Mapping
from typing import Any

from herder.drivers.gcp.options import Wanted
from herder.model.fleet.driver_capabilities import Need

#: The quota of the cores of each series of machine types.
_CORES = {
    **dict.fromkeys(("n1", "e2", "f1", "g1"), "CPUS"),
    **{
        series: f"{series.upper()}_CPUS"
        for series in ("n2", "n2d", "c2", "c2d", "c3", "t2a", "t2d", "a2", "m1", "m2", "m3")
    },
}
_SPOT = "PREEMPTIBLE_"


def need_of(
    wanted: Wanted, row: Mapping[str, Any], limits: Mapping[str, float], region: str, *, spot: bool
) -> Need:
    """`row`: of the machine type; `limits`: of the region, by quota."""
    cores = _market(_CORES.get(wanted.machine_type.partition("-")[0], ""), f"{_SPOT}CPUS", limits, spot=spot)
    amounts = {cores: int(row.get("guestCpus", 0)), "INSTANCES": 1}
    kinds = [
        (str(each.get("guestAcceleratorType", "")), int(each.get("guestAcceleratorCount", 0)))
        for each in row.get("accelerators", ())
    ]
    if wanted.accelerators:
        kinds.append((wanted.accelerator, wanted.accelerators))
    for kind, count in kinds:
        own = f"{kind.replace('nvidia-tesla-', 'nvidia-').replace('-', '_').upper()}_GPUS"
        amounts[_market(own, f"{_SPOT}{own}", limits, spot=spot)] = count
    if not all(name in limits for name in amounts) or not amounts[cores]:
        return Need()
    return Need(quotas=amounts, zones=(region,))


def _market(own: str, of_spot: str, limits: Mapping[str, float], *, spot: bool) -> str:
    """Spot VMs count against quotas of their own in a project that has some, else against those of all."""
    return of_spot if own and spot and limits.get(of_spot, 0) > 0 else own
