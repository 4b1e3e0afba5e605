"""Which traces are replayed on which workers for the tables of `docs/performance.md`. Data only; run by `tables`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

#: Shown in this order. `{peak}` and `{part}` become the workers that starting every job on arrival needs at most, and 57 % of them.
POLICIES = (
    "herder", "herder(idle_s=1800)", "first_fit", "best_fit", "karpenter_like", "cluster_autoscaler_like", "ray_like", "hail_like",
)  # fmt: skip
FIXED = ("fixed({peak})", "fixed({part})")
FIXED_PART = 0.57


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A trace: its full file (a pattern inside a folder of traces), the excerpt that ships, and where it is from."""

    full: str
    excerpt: str | None
    about: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`templates` as `--template` takes them, or a file of machines. `spot`: whose interruptions. `without`: a policy that
    cannot be judged here, and why. `jobs`: only the first so many. `more`: policies that are asked beside the others."""

    name: str
    source: str
    title: str
    templates: tuple[str, ...] = field(default=())
    inventory: str | None = None
    spot: str | None = None
    fixed: bool = True
    without: tuple[str, str] | None = None
    jobs: int | None = None
    more: tuple[str, ...] = ()


SOURCES: dict[str, Source] = {
    "surf": Source(
        full="surf-lisa*.csv.gz",
        excerpt="surf.csv.gz",
        about="batch jobs of the SURF Lisa cluster, each 16 cores (AtLarge Research, OpenDC)",
        licence="MIT",
    ),
    "metacentrum": Source(
        full="metacentrum*.csv.gz",
        excerpt="metacentrum.csv.gz",
        about="batch jobs of many users, MetaCentrum 2013 (CESNET, via Alea)",
        licence="LGPL",
    ),
    "openb": Source(
        full="openb*pods.csv.gz",
        excerpt="openb.csv.gz",
        about="pods of an Alibaba GPU cluster, 2023 (Weng et al., USENIX ATC 2023)",
        licence="Apache-2.0",
    ),
    "openb_nodes": Source(
        full="openb*nodes.csv.gz", excerpt=None, about="the machines of that cluster", licence="Apache-2.0"
    ),
    "bitbrains": Source(
        full="bitbrains*.csv.gz",
        excerpt="bitbrains.csv.gz",
        about="CPU use of 50 business-critical machines, a job for each five minutes (AtLarge Research, OpenDC)",
        licence="MIT",
    ),
    "helios": Source(
        full="helios*.csv.gz",
        excerpt="helios.csv.gz",
        about="GPUs wanted by one virtual cluster, each minute of May 2020 (Hu et al., SC 2021)",
        licence="MIT",
    ),
    "azure_llm": Source(
        full="azure-llm*.csv.gz",
        excerpt="azure_llm.csv.gz",
        about="an hour of requests to a language model (Patel et al., Splitwise, ISCA 2024)",
        licence="CC BY 4.0",
    ),
    "spot_events": Source(
        full="ec2-spot*.csv.gz",
        excerpt="spot_events.csv.gz",
        about="machines of a spot group of 32, as they came and went (Thorpe et al., NSDI 2023)",
        licence="MIT",
    ),
    "spot_count": Source(
        full="gcp-spot*.csv.gz",
        excerpt="spot_count.csv.gz",
        about="live spot machines of 80 wanted, each minute of a day (Thorpe et al., NSDI 2023)",
        licence="MIT",
    ),
    "rnaseq": Source(
        full="wf-nextflow*.json.gz",
        excerpt="wfformat-rnaseq.json.gz",
        about="one run of a Nextflow workflow with its dependencies (WfCommons)",
        licence="LGPL-3.0",
    ),
    "genome": Source(
        full="wf-pegasus*.json.gz",
        excerpt="wfformat-1000genome.json.gz",
        about="one run of a Pegasus workflow with its dependencies (WfCommons)",
        licence="LGPL-3.0",
    ),
}


def _cores(*sizes: int) -> tuple[str, ...]:
    """At the same price per core: 1/32 per hour."""
    return tuple(f"name={size}-cores,cpu={size},price={size / 32:g}" for size in sizes)


CASES: tuple[Case, ...] = (
    Case(name="surf", source="surf", title="one template of 128 cores", templates=_cores(128)),
    Case(
        name="surf-sizes",
        source="surf",
        title="templates of 16, 32, 64 and 128 cores",
        templates=_cores(16, 32, 64, 128),
        fixed=False,
        more=("herder(wait_cost=40)", "herder(wait_cost=100)"),
    ),
    Case(name="metacentrum", source="metacentrum", title="one template of 64 cores", templates=_cores(64)),
    Case(
        name="metacentrum-sizes",
        source="metacentrum",
        title="templates of 4, 8, 16, 32 and 64 cores",
        templates=_cores(4, 8, 16, 32, 64),
        fixed=False,
        more=("herder(wait_cost=10)",),
    ),
    Case(
        name="metacentrum-memory",
        source="metacentrum",
        title="one template of 64 cores and 512 GiB",
        templates=("cpu=64,memory=512,price=3.2",),
    ),
    Case(name="openb", source="openb", title="workers of 8 GPUs, GPUs only", templates=("gpu=8,price=8",)),
    Case(
        name="openb-sizes",
        source="openb",
        title="workers of 1, 2, 4 and 8 GPUs with 12 cores and 48 GiB each, and one without",
        templates=(
            *(
                f"name={n}-gpu,gpu={n},cpu={12 * n},memory={48 * n},price={1.72 * n:.2f}"
                for n in (1, 2, 4, 8)
            ),
            "name=no-gpu,cpu=32,memory=128,price=1.92",
        ),
        fixed=False,
    ),
    Case(
        name="openb-machines",
        source="openb",
        title="the cluster's own machines, each kind as often as there are",
        inventory="openb_nodes",
        fixed=False,
        without=("hail_like", "it makes one kind of worker, and of no kind there are enough"),
    ),
    Case(name="bitbrains", source="bitbrains", title="one template of 32 cores", templates=_cores(32)),
    Case(
        name="bitbrains-spot",
        source="bitbrains",
        title="at most eight spot workers of 8 cores that go as in the spot group, and others of 32 at three times the price",
        templates=(
            "name=spot,cpu=8,price=0.08,spot=yes,max=8",
            "name=on-demand,cpu=32,price=1",
        ),
        spot="spot_events",
        fixed=False,
        jobs=60_000,
    ),
    Case(name="helios", source="helios", title="workers of 8 GPUs", templates=("gpu=8,price=8",)),
    Case(
        name="azure_llm", source="azure_llm", title="workers of one GPU", templates=("gpu=1,price=1",)
    ),
    Case(
        name="azure_llm-spot",
        source="azure_llm",
        title="spot workers of one GPU that go as in the day of counts",
        templates=("gpu=1,price=0.3,spot=yes",),
        spot="spot_count",
        fixed=False,
    ),
    Case(name="spot_events", source="spot_events", title="one template of 4 cores", templates=_cores(4)),
    Case(name="spot_count", source="spot_count", title="one template of 8 cores", templates=_cores(8)),
    Case(name="rnaseq", source="rnaseq", title="one template of 16 cores", templates=_cores(16)),
    Case(name="genome", source="genome", title="one template of 16 cores", templates=_cores(16)),
)  # fmt: skip


def chosen_cases(names: Sequence[str]) -> tuple[Case, ...]:
    """Those named, by their own name or their trace's; all when none is. Raises ValueError for a name that is neither."""
    for name in names:
        if not any(name in (case.name, case.source) for case in CASES):
            raise ValueError(
                f"there is no trace {name!r}; there are {', '.join(case.name for case in CASES)}"
            )
    return tuple(case for case in CASES if not names or case.name in names or case.source in names)
