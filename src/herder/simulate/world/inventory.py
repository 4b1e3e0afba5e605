"""Templates from a list of real machines: each kind once, with its number of machines as its quota.

CSV with `cpu_milli`, `memory_mib` and `gpu` (whole GPUs); optional `price` (per hour) and `model`, which is part of the name. Without
a price a machine costs round figures: `PRICE_CORE` a core, `PRICE_GIB` a GiB and `PRICE_GPU` a GPU. Called by the command for
`--template FILE` and by the tables.
"""

from pathlib import Path

from herder.simulate.traces.rows import Row, TraceError, has_columns, open_rows
from herder.simulate.world.offers import SimTemplate

COLUMNS = ("cpu_milli", "memory_mib", "gpu")
PRICE_CORE = 0.04
PRICE_GIB = 0.005
PRICE_GPU = 1.0
#: More kinds than this is no list of kinds of machines.
KINDS_MAX = 64


def looks_like(head: str) -> bool:
    return has_columns(head, COLUMNS) and not has_columns(head, ("creation_time",))


def templates_of(path: Path) -> tuple[SimTemplate, ...]:
    """In the order in which the kinds first stand in the file. Raises TraceError with the place of what is wrong."""
    counts: dict[tuple[int, int, int, str, float], int] = {}
    with open_rows(path) as rows:
        for row in rows.rows(COLUMNS):
            kind = _kind(row)
            counts[kind] = counts.get(kind, 0) + 1
            if len(counts) > KINDS_MAX:
                raise TraceError(
                    f"{rows.path}:{row.line}:1: this is the {len(counts)}th kind of machine. "
                    f"List at most {KINDS_MAX} kinds, one row for each machine."
                )
    if not counts:
        raise TraceError(f"{path}: the file has no machine. Give one row for each machine.")
    return tuple(_template(kind, count) for kind, count in counts.items())


def _kind(row: Row) -> tuple[int, int, int, str, float]:
    cpu, memory, gpu = row.whole("cpu_milli", least=1), row.whole("memory_mib", least=1), row.whole("gpu")
    usual = cpu / 1000 * PRICE_CORE + memory / 1024 * PRICE_GIB + gpu * PRICE_GPU
    return cpu, memory, gpu, row.text("model", ""), row.number("price", default=round(usual, 6))


def _template(kind: tuple[int, int, int, str, float], count: int) -> SimTemplate:
    cpu, memory, gpu, model, price = kind
    gpus = f"-{gpu}{model or 'gpu'}" if gpu else ""
    name = f"{cpu / 1000:g}c-{memory / 1024:g}g{gpus}"
    return SimTemplate(name=name, amounts=(cpu, memory, None, 1000 * gpu), price=price, most=count)
