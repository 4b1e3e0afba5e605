"""Built-in settings: documented templates and presets, and the default pools for one machine.

The templates' figures are what jobs may use (nominal less what the system keeps). Files may override each of them.
Presets are kept in the plain form of `herder.yaml`, so that `herder config show --expanded` shows them as settings.
"""

from typing import Any

from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, Template, WorkerLifetime
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd, parse_usd
from herder.model.values.resources import Resources


def _template(name: str, price: str, slots: int, allocatable: Resources, size: str) -> Template:
    return Template(
        name=name,
        allocatable=allocatable,
        price_pico_per_hour=parse_usd(price),
        slots=slots,
        labels=(("workload-size", size),),
    )


_GIB = 1024
TEMPLATES: dict[str, Template] = {
    "small": _template("small", "0.12", 100, Resources(3800, 7680, 95 * _GIB), "small"),
    "medium": _template("medium", "0.24", 100, Resources(7800, 15360, 190 * _GIB), "medium"),
    "large": _template("large", "0.48", 110, Resources(15800, 30720, 480 * _GIB), "large"),
    "gpu-nvidia": _template("gpu-nvidia", "1.20", 100, Resources(7800, 30720, 480 * _GIB, 1), "medium"),
}

PRESETS: dict[str, dict[str, Any]] = {
    "permanent": {
        "description": "A permanent pool of 3 to 10 workers without a time to live.",
        "templates": ["medium"],
        "min_workers": 3,
        "max_workers": 10,
        "scale_up_cooldown": "300s",
        "scale_down_cooldown": "600s",
        "scale_down_fraction": "20%",
        "cpu_pressure": {"above": "80%", "for": "5m", "target": "70%"},
        "memory_pressure": {"above": "85%", "for": "5m", "target": "75%"},
        "preempts_spot": True,
        "labels": {"node-pool": "permanent", "worker-type": "permanent", "workload-priority": "high"},
    },
    "burst": {
        "description": "Workers for peaks; each is removed when it is idle or after 4 hours.",
        "templates": ["small", "medium", "large"],
        "min_workers": 0,
        "max_workers": 20,
        "idle_timeout": "30m",
        "ttl": "4h",
        "ttl_max": "12h",
        "extension": "2h",
        "extensions_max": 3,
        "labels": {"node-pool": "burst", "worker-type": "temporary"},
        "taints": [{"key": "workload-type", "value": "burst", "effect": "NoSchedule"}],
    },
    "spot": {
        "description": "Cheap spot workers that the provider can reclaim.",
        "templates": [{"name": "medium", "spot": "yes"}],
        "min_workers": 0,
        "max_workers": 15,
        "drain_grace": "300s",
        "labels": {"node-pool": "spot", "worker-type": "preemptible", "workload-priority": "low"},
        "taints": [
            {"key": "workload-type", "value": "spot", "effect": "NoSchedule"},
            {"key": "preemptible", "value": "true", "effect": "PreferNoSchedule"},
        ],
    },
    "queue": {
        "description": "From 1 to 50 workers; more than one when more than 5 jobs wait.",
        "templates": ["small", "medium", "large"],
        "min_workers": 1,
        "max_workers": 50,
        "queue_threshold": 5,
    },
    "gpu": {
        "description": "Workers with one GPU each, added by hand, and for jobs that name the pool.",
        "templates": ["gpu-nvidia"],
        "min_workers": 0,
        "max_workers": 5,
        "pending_pods": None,
        "labels": {
            "node-pool": "gpu",
            "worker-type": "gpu",
            "gpu.nvidia.com/class": "tesla-t4",
            "gpu.nvidia.com/count": "1",
            "gpu.nvidia.com/memory": "16384",
        },
        "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}],
        "default_eligible": False,
    },
    "rosa_additional": {
        "description": "A machine pool of a ROSA cluster, for workloads of one kind.",
        "driver": "rosa",
        "driver_options": {"machine_pool": "additional", "instance_type": "m5.xlarge"},
        "templates": [{"name": "m5-xlarge", "cpu": "3500m", "memory": "13Gi", "price_per_hour": "0.192"}],
        "min_workers": 1,
        "max_workers": 5,
    },
    "rosa_gpu_spot": {
        "description": "A machine pool of a ROSA cluster with spot GPUs, which is empty while no pod needs one.",
        "driver": "rosa",
        "driver_options": {
            "machine_pool": "gpu-spot",
            "instance_type": "g4dn.xlarge",
            "spot_max_price": "on-demand",
        },
        "templates": [
            {
                "name": "g4dn-xlarge",
                "cpu": "3500m",
                "memory": "13Gi",
                "gpu": 1,
                "price_per_hour": "0.526",
                "spot": "yes",
            }
        ],
        "min_workers": 0,
        "max_workers": 3,
        "labels": {"node-type": "gpu"},
        "taints": [
            {"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"},
            {"key": "spot", "value": "true", "effect": "PreferNoSchedule"},
        ],
    },
}

#: Internal rate card: what a core and a GiB cost for an hour, in pico-USD. Gives local workers an honest price.
CORE_HOUR = parse_usd("0.05")
GIB_HOUR = parse_usd("0.005")


def local_defaults(machine: Resources) -> tuple[PoolSpec, ...]:
    """Pools of the `local` driver for one machine: at full size they use at most all cores plus two, and 80 % of memory."""
    cores = max(1, machine.cpu_milli // 1000)
    memory = max(512, machine.memory_mib * 8 // 10)
    burst = min(cores, max(1, memory * 35 // 100 // 256), 16)
    return (
        PoolSpec(
            name=PoolName("permanent"),
            description="One worker that is kept for 30 minutes after its last job.",
            templates=(_local("local-small", machine, 1000, memory * 25 // 100),),
            size=PoolSize(max_workers=1),
            lifetime=WorkerLifetime(dead_after_s=30.0, boot_timeout_s=60.0, drain_grace_s=30.0),
        ),
        PoolSpec(
            name=PoolName("burst"),
            description="One worker for each core, removed soon after the last job.",
            templates=(_local("local-core", machine, 1000, memory * 35 // 100 // burst),),
            size=PoolSize(max_workers=burst),
            scale_down=ScaleDown(idle_timeout_s=120.0),
            lifetime=WorkerLifetime(
                ttl_s=4 * 3600.0,
                ttl_max_s=12 * 3600.0,
                dead_after_s=30.0,
                boot_timeout_s=60.0,
                drain_grace_s=30.0,
            ),
        ),
        PoolSpec(
            name=PoolName("highmem"),
            description="One worker with much memory.",
            templates=(_local("local-highmem", machine, 1000, memory * 40 // 100),),
            size=PoolSize(max_workers=1),
            scale_down=ScaleDown(idle_timeout_s=300.0),
            lifetime=WorkerLifetime(dead_after_s=30.0, boot_timeout_s=60.0, drain_grace_s=30.0),
        ),
    )


def _local(name: str, machine: Resources, cpu_milli: int, memory_mib: int) -> Template:
    cpu = min(cpu_milli, max(100, machine.cpu_milli))
    price = CORE_HOUR * cpu // 1000 + GIB_HOUR * memory_mib // _GIB
    disk = machine.disk_mib // 20
    return Template(
        name=name,
        allocatable=Resources(cpu, memory_mib, disk),
        price_pico_per_hour=PicoUsd(price),
        slots=110,
    )
