"""Results of many parents reach their child, whatever they weigh, and neither the server's memory nor the others feel it."""

import threading
from pathlib import Path

import pytest

from herder.client import connect
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.acceptance.conftest import CONFIG, Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]

#: The server holds pieces of results, never all of a child's: far below the 70 MB that one child reads, and the 80 MB of twenty.
GROWTH_MOST_MIB = 60
MAKE = """(printf '"'; head -c 1000000 /dev/zero | tr '\\0' r; printf '"') > $HERDER_RESULT"""
READ = "import json; found = json.load(open('parents.json')); print(len(found), sum(len(each['result'] or '') for each in found))"


class Peak:
    """The most memory of its own that a process has had while this was looking: not the pages of the database's file, which
    the system lends and takes back."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.before_mib = self.mib = self._read()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _read(self) -> float:
        (line,) = (each for each in self._status.read_text().splitlines() if each.startswith("RssAnon"))
        return int(line.split()[1]) / 1024

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.mib = max(self.mib, self._read())

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        grown = self.mib - self.before_mib
        assert grown < GROWTH_MOST_MIB, f"the server grew from {self.before_mib:.0f} to {self.mib:.0f} MiB"


def shell(script: str) -> JobSubmission:
    return JobSubmission(command=["sh", "-c", script], cpu="20m", memory="16Mi")


def reader(parents: int, memory: str) -> JobSubmission:
    return JobSubmission(
        command=["python3", "-c", READ],
        cpu="50m",
        memory=memory,
        parents=list(range(parents)),
        parents_results=True,
    )


def counts(installation: Installation, batch: int) -> dict[str, int]:
    with connect(env=installation.env) as client:
        return dict(client.batches.get(batch).counts)


def hand_over(installation: Installation, parents: int, readers: list[JobSubmission]) -> None:
    """Parents with a result of 1 MB each and one that waits to be let go; what the server grows by from then on is measured."""
    assert installation.server is not None
    gate = installation.folder / f"gate-{parents}"
    jobs = [shell(MAKE) for _ in range(parents)]
    jobs += [shell(f"while [ ! -e {gate} ]; do sleep 0.1; done"), *readers]
    with connect(env=installation.env) as client:
        batch = client.batches.create(BatchCreate(name="large", jobs=jobs, commit=True)).id
    installation.until(
        lambda: counts(installation, batch).get("succeeded") == parents, 120, "the parents to end"
    )
    peak = Peak(installation.server.pid)
    gate.touch()
    installation.run("batch", "wait", str(batch), "--timeout", "100s")
    peak.stop()
    assert counts(installation, batch) == {"succeeded": len(jobs)}
    with connect(env=installation.env) as client:
        first = min(job.id for job in client.jobs.list(batch=batch, limit=1000))
    for number in range(first + parents + 1, first + len(jobs)):
        assert installation.run("job", "logs", str(number)) == f"{parents + 1} {parents * 1_000_000}\n"


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_seventy_parents_and_twenty_children(installation: Installation) -> None:
    installation.config.write_text(CONFIG.replace("cpu: 500m, memory: 256Mi", "cpu: 1, memory: 1Gi"))
    installation.start()
    hand_over(installation, 2, [reader(3, "64Mi")])
    hand_over(installation, 70, [reader(71, "512Mi")])
    hand_over(installation, 4, [reader(5, "64Mi") for _ in range(20)])
    assert installation.stop() == 0
