"""The scenes of the story, in order. Each waits for what the API and the clouds say, and raises CommandError when it did not happen.

Called by `story`. What is printed was read from the server or a cloud.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from herder.cli.output.humanize import usd
from herder.cli.shell.exit_codes import CommandError
from herder.client import HerderClient
from herder.demo.clouds.machines import Machines
from herder.demo.clouds.site import AZURE_ZONES, GOOGLE_ZONES, POOL, Clouds
from herder.demo.telling import Teller
from herder.demo.waiting import Waiting
from herder.model.values.money import format_usd, parse_usd
from herder.model.values.phrases import counted, listed
from herder.wire.api.offers import ListedOffer
from herder.wire.api.resources import EventView, WorkerView
from herder.wire.api.work import BatchCreate, JobDetail, JobSubmission

JOBS = 6
#: Cores of spot that AWS allows from the third scene on: so many jobs run there.
SPOT_CORES, SPOT_JOBS = 6, 3
#: A job that has been told to go on ends; until then it waits, so that each scene finds it running.
COMMAND = ["sh", "-c", 'until [ -e "$RELEASED" ]; do sleep 0.2; done; echo "on $HERDER_WORKER"']


class At(Waiting):
    def __init__(
        self,
        client: HerderClient,
        tell: Teller,
        alive: Callable[[], bool],
        clouds: Clouds,
        machines: Machines,
        released: Path,
    ) -> None:
        super().__init__(client, tell, alive)
        self.clouds, self.machines, self.released = clouds, machines, released
        self.batch = 0

    def jobs(self) -> list[JobDetail]:
        return [self.client.jobs.get(each.id) for each in self.client.jobs.list(batch=self.batch)]

    def every(self, kind: str) -> list[EventView]:
        """The events of this kind that have happened."""
        return [each for each in self.client.events.list(kind=kind) if each.kind == kind]

    def refused(self, cause: str) -> list[EventView]:
        """The first event of each worker whose creation has failed for this cause."""
        found: dict[str, EventView] = {}
        for each in self.client.events.list(kind="worker."):
            if each.text.startswith(cause):
                found.setdefault(each.object, each)
        return list(found.values())

    def running_on(self, driver: str, *, spot: bool, count: int = JOBS) -> list[WorkerView]:
        """The workers of a driver, each with a job, as soon as there are so many."""

        def found() -> list[WorkerView] | None:
            rows = self.client.workers.list(pool=POOL, state="ready")
            busy = [each for each in rows if (each.driver, each.spot) == (driver, spot) and each.attempts]
            return busy if len(busy) == count else None

        market = "spot" if spot else "on-demand"
        return self.until(f"{counted(count, 'job')} do not run on {market} workers of {driver}", found)


def play(at: At) -> None:
    for title, scene in (
        ("Each cloud is checked", clouds_are_checked),
        ("The offers of one pool on three clouds", offers_are_listed),
        ("Jobs come, and the cheapest offer is sold out", cheapest_is_sold_out),
        ("Google takes all spot VMs back, and a quota of AWS is met", machines_are_taken_back),
        ("The jobs end", jobs_end),
        ("Nothing is left, and the costs are right", nothing_is_left),
    ):
        with at.tell.scene_of(title):
            scene(at)


def clouds_are_checked(at: At) -> None:
    for cloud in at.clouds.all:
        found = at.client.drivers.check(cloud.driver)
        failed = [each.detail for each in found.checks if not each.passed]
        if not found.passed:
            raise CommandError(f"The check of driver {cloud.driver} failed: {listed(failed)}.")
        at.tell.fact(
            f"Driver {cloud.driver}: {counted(len(found.checks), 'check')}, none failed (herder driver check {cloud.driver})."
        )


def offers_are_listed(at: At) -> None:
    def known() -> list[ListedOffer] | None:
        rows = [each for each in at.client.offers.list() if each.pool == POOL]
        drivers = {each.driver for each in rows if each.workers_left is not None}
        return rows if len(drivers) == len(at.clouds.all) else None

    rows = at.until("the workers left by quotas are not known of each cloud", known)
    lines = ["The cheapest first (herder offer list):"]
    for each in sorted(rows, key=lambda row: parse_usd(row.price_per_hour_usd or "0")):
        market = "spot" if each.spot else "on demand"
        left = "unknown" if each.workers_left is None else f"{each.workers_left:,}"
        lines.append(
            f"{each.driver:<7} {each.zone:<15} {market:<10} {usd(each.price_per_hour_usd)}/h  {left} left"
        )
    at.tell.fact("\n".join(lines))
    cheapest = min(rows, key=lambda row: parse_usd(row.price_per_hour_usd or "0"))
    if (cheapest.driver, cheapest.spot) != ("azure", True):
        raise CommandError(f"The cheapest offer is one of {cheapest.driver}.")


def cheapest_is_sold_out(at: At) -> None:
    at.clouds.azure.sell_out(AZURE_ZONES)
    at.tell.fact(f"Azure has no spot VMs left in {listed(AZURE_ZONES)}.")
    job = JobSubmission(
        command=COMMAND, cpu=1, memory="64Mi", disk="100Mi", env={"RELEASED": str(at.released)}
    )
    *_, (_, batch) = at.client.batches.submit(BatchCreate(name="three clouds"), [job] * JOBS)
    at.batch = batch.id
    at.tell.fact(f"{counted(JOBS, 'job')} are submitted.")
    at.running_on("google", spot=True)
    asked = at.every("worker.requested")
    at.tell.fact(asked[0].text, asked[0].at)
    refused = at.until("no creation has failed", lambda: at.refused("No capacity"))
    at.tell.fact(f"{counted(len(refused), 'VM')} could not be created. {refused[0].text}", refused[0].at)
    instead = next(each for each in asked if "google" in each.text)
    at.tell.fact(instead.text, instead.at)
    _tell_ready(at, "google", spot=True)


def machines_are_taken_back(at: At) -> None:
    at.clouds.google.sell_out(GOOGLE_ZONES)
    at.clouds.aws.limit_spot(SPOT_CORES)
    taken = at.clouds.google.take_back_all()
    at.tell.fact(
        f"Google takes {counted(len(taken), 'spot VM')} back and has no other. AWS allows {SPOT_CORES} cores of spot instances."
    )
    for cloud, name in ((at.clouds.google, name) for name in taken):
        at.machines.announce_end(cloud, name)
    told = at.until("no worker is interrupted", lambda: at.every("worker.interrupted"))
    at.tell.fact(told[0].text, told[0].at)
    at.running_on("aws", spot=True, count=SPOT_JOBS)
    at.running_on("google", spot=False, count=JOBS - SPOT_JOBS)
    met = at.until("AWS refuses no instance", lambda: at.refused("Quota exceeded"))
    at.tell.fact(f"AWS refused {counted(len(met), 'instance')}. {met[0].text}", met[0].at)
    _tell_ready(at, "aws", spot=True)
    _tell_ready(at, "google", spot=False)
    lost = [each for job in at.jobs() for each in job.history if each.state != "running"]
    causes = Counter(each.cause for each in lost)
    for cause, count in sorted(causes.items()):
        at.tell.fact(f"{counted(count, 'attempt')} ended with cause {cause}. {lost[0].message}")


def _tell_ready(at: At, driver: str, *, spot: bool) -> None:
    """Where their workers run, and how long the slowest one took."""
    rows = [each for each in at.client.workers.list(pool=POOL) if (each.driver, each.spot) == (driver, spot)]
    zones = sorted({each.zone for each in rows})
    market = "spot" if spot else "on-demand"
    price = usd(rows[0].price_per_hour_usd)
    at.tell.fact(
        f"{counted(len(rows), 'job')} run on {market} workers of {driver} in {listed(zones)}, for {price}/h each."
    )


def jobs_end(at: At) -> None:
    at.released.touch()
    at.until("the jobs have not ended", lambda: at.client.batches.get(at.batch).state == "succeeded")
    for job in at.jobs():
        good = [each for each in job.history if each.state == "succeeded"]
        _, output = at.client.jobs.output(job.id)
        if len(good) != 1 or output.strip() != f"on {good[0].worker}":
            raise CommandError(f"Job {job.id} has succeeded {len(good)} times, and printed {output!r}.")
        at.tell.fact(f"Job {job.id} succeeded on {good[0].worker} in attempt {good[0].attempt}.")


def nothing_is_left(at: At) -> None:
    at.until("workers exist", lambda: not list(at.client.workers.list()))
    left: list[str] = []

    def clean() -> bool:
        left[:] = [each for cloud in at.clouds.all for each in cloud.left_over()]
        return not left

    at.until("a cloud still has something of a worker", clean)
    at.tell.fact("No VM, disk, network card or instance is left in any cloud.")
    if wrong := at.client.invariants():
        raise CommandError(f"{counted(len(wrong), 'invariant')} of the server does not hold.")
    workers = list(at.client.workers.list(ended=True))
    total = sum(parse_usd(each.cost_usd) for each in workers)
    told = at.client.status().spend_usd
    if total != parse_usd(told):
        raise CommandError(f"The workers cost {format_usd(total, 12)}, but the server tells {told}.")
    at.tell.fact(f"The costs of {counted(len(workers), 'worker')} add up to what the server tells.")
