"""Two small pools with short times, for tests of one scenario."""

from herder.drivers.pretend.settings import PretendSettings
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, Template, WorkerLifetime
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources

SMALL = Template(
    name="small", allocatable=Resources(2000, 4096, 8192), price_pico_per_hour=PicoUsd(3_600_000), slots=6
)
LARGE = Template(
    name="large", allocatable=Resources(8000, 8192, 8192), price_pico_per_hour=PicoUsd(12_600_000), slots=12
)
_LIFE = WorkerLifetime(dead_after_s=15.0, boot_timeout_s=60.0, drain_grace_s=20.0)
_BRIEF = WorkerLifetime(dead_after_s=15.0, boot_timeout_s=60.0, drain_grace_s=20.0, ttl_s=40.0)
POOLS = (
    PoolSpec(
        name=PoolName("std"),
        driver="pretend",
        templates=(SMALL, LARGE),
        size=PoolSize(max_workers=6),
        scale_down=ScaleDown(idle_timeout_s=20.0),
        lifetime=_LIFE,
    ),
    PoolSpec(
        name=PoolName("brief"),
        driver="pretend",
        templates=(SMALL,),
        size=PoolSize(max_workers=3),
        scale_down=ScaleDown(idle_timeout_s=20.0),
        lifetime=_BRIEF,
    ),
)
ONE_PROVIDER = PretendSettings(boot_s=12.0, boot_spread=0.9, machines_most=8)
