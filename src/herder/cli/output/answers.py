"""Output that several commands share: lists with a limit, plans, explanations. Called by the commands."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from herder.cli.output.formats import Format
from herder.cli.output.rows import View
from herder.cli.views.plans import explanation_lines, plan_lines
from herder.cli.views.tables import ACTIONS, FACTS

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.api.resources import Explanation, PlanView


def show_list(
    say: "Session",
    view: View,
    fetch: Callable[[int | None], Sequence[Any]],
    limit: int | None = None,
    *,
    check: Callable[[], None] = lambda: None,
    filtered: bool = False,
) -> None:
    """The first `limit` of what there is. `fetch` gets how many to ask for: one more, so that it is known whether there are more. `check`: raises
    when nothing was found because the filter names something unknown. `filtered`: there may be more that the filter leaves out."""
    found = fetch(None if limit is None else limit + 1)
    if not found:
        check()
    say.printer.items(view, found if limit is None else found[:limit])
    if not found:
        nouns = view.empty.partition(".")[0]
        say.say(f"{nouns} fit the search." if filtered else view.empty)
    elif limit is not None and len(found) > limit:
        say.say(f"Only the first {limit:,} are shown; --limit shows more.")


def show_plan(say: "Session", plan: "PlanView") -> None:
    if say.format is Format.CSV:
        say.printer.items(ACTIONS, plan.actions)
    else:
        say.done("\n".join(plan_lines(plan)), plan, plan.number)


def show_explanation(say: "Session", found: "Explanation", name: str | int) -> None:
    if say.format is Format.CSV:
        say.printer.items(FACTS, found.facts)
    else:
        say.done("\n".join(explanation_lines(found)), found, name)
