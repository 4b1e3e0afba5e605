"""A batch as a graph: jobs in columns, each right of all its parents, or of a large batch only how many jobs each column has. Pure."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from herder.wire.api.work import JobView

#: Jobs that are drawn.
DRAWN_MAX = 60
#: Sizes in pixels.
WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 150, 40, 48, 12, 2
NAME_MAX = 18

Dependencies = Sequence[tuple[int, int]]
"""(parent, child)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    job: JobView
    name: str
    x: int
    y: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    nodes: list[Node]
    lines: list[str]
    """Paths of SVG."""
    width: int
    height: int


def depths_of(dependencies: Dependencies) -> dict[int, int]:
    """By job that has a parent or a child: the length of the longest way to it from one that has no parent."""
    children: dict[int, list[int]] = defaultdict(list)
    waits: Counter[int] = Counter()
    for parent, child in dependencies:
        children[parent].append(child)
        waits[child] += 1
    depths = {parent: 0 for parent, _ in dependencies if not waits[parent]}
    turn = deque(depths)
    while turn:
        parent = turn.popleft()
        for child in children[parent]:
            depths[child] = max(depths.get(child, 0), depths[parent] + 1)
            waits[child] -= 1
            if not waits[child]:
                turn.append(child)
    return depths


def counts_by_depth(jobs: int, dependencies: Dependencies) -> list[tuple[int, int]]:
    """(depth, jobs): of a batch with so many jobs."""
    depths = depths_of(dependencies)
    counts = Counter(depths.values())
    counts[0] += jobs - len(depths)
    return sorted(counts.items())


def drawing(jobs: Sequence[JobView], dependencies: Dependencies) -> Drawing:
    depths = depths_of(dependencies)
    columns: dict[int, list[JobView]] = defaultdict(list)
    for job in jobs:
        columns[depths.get(job.id, 0)].append(job)
    parents: dict[int, list[int]] = defaultdict(list)
    for parent, child in dependencies:
        parents[child].append(parent)
    nodes: dict[int, Node] = {}
    for depth in sorted(columns):
        ordered = sorted(columns[depth], key=lambda job: (_middle(parents[job.id], nodes), job.id))
        for place, job in enumerate(ordered):
            x, y = EDGE + depth * (WIDTH + ACROSS), EDGE + place * (HEIGHT + DOWN)
            nodes[job.id] = Node(job=job, name=_short(job), x=x, y=y)
    known = [(nodes[a], nodes[b]) for a, b in dependencies if a in nodes and b in nodes]
    tallest = max((len(each) for each in columns.values()), default=0)
    return Drawing(
        nodes=list(nodes.values()),
        lines=[_line(parent, child) for parent, child in known],
        width=2 * EDGE + (max(columns, default=0) + 1) * (WIDTH + ACROSS) - ACROSS,
        height=max(0, 2 * EDGE + tallest * (HEIGHT + DOWN) - DOWN),
    )


def _middle(parents: Sequence[int], nodes: Mapping[int, Node]) -> float:
    """Where its parents are, so that lines cross seldom."""
    places = [nodes[each].y for each in parents if each in nodes]
    return sum(places) / len(places) if places else 0.0


def _short(job: JobView) -> str:
    name = job.key or str(job.id)
    return name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…"


def _line(parent: Node, child: Node) -> str:
    x, y, to_x, to_y = parent.x + WIDTH, parent.y + HEIGHT // 2, child.x, child.y + HEIGHT // 2
    half = (x + to_x) // 2
    return f"M{x} {y}C{half} {y} {half} {to_y} {to_x} {to_y}"
