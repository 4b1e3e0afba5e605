"""The parts of `docs/concepts/lifecycle.md` that are made from the state machines of the engine. Called by `generate.py`."""

from herder.engine.jobs.transitions import MOVES
from herder.engine.workers.transitions import FIRST, TRANSITIONS
from herder.model.fleet.worker import WorkerState


def workers() -> str:
    """A diagram of the states, and a table of what leads from one to another."""
    edges: dict[tuple[WorkerState, WorkerState], list[str]] = {}
    for transition in TRANSITIONS:
        for before, afters in transition.moves.items():
            for after in afters:
                edges.setdefault((before, after), []).append(transition.event)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {FIRST}"]
    lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in edges.items()]
    lines += [f"    {state} --> [*]" for state in WorkerState if state.ended]
    lines += ["```", "", "| event | what happens | from | to |", "|---|---|---|---|"]
    for transition in TRANSITIONS:
        groups: dict[tuple[WorkerState, ...], list[WorkerState]] = {}
        for before, afters in transition.moves.items():
            groups.setdefault(afters, []).append(before)
        befores = "<br>".join(", ".join(f"`{each}`" for each in group) for group in groups.values())
        afters_text = "<br>".join(" or ".join(f"`{each}`" for each in afters) for afters in groups)
        lines.append(f"| {transition.event} | {transition.text} | {befores} | {afters_text} |")
    return "\n".join(lines)


def jobs() -> str:
    lines = ["| from | to | when |", "|---|---|---|"]
    for before, after, when in MOVES:
        lines.append(f"| {'new' if before is None else f'`{before.label}`'} | `{after.label}` | {when} |")
    return "\n".join(lines)
