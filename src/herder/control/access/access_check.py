"""Turns the answers of `model.permissions.may` into refusals with the reason and the remedy. Called by every command and read.

It decides nothing itself. An object that the caller may not see is refused with the words for one that does not exist.
"""

from collections.abc import Mapping
from types import MappingProxyType

from herder.control.kernel.bounds.errors import Forbidden, NotKnown
from herder.model.permissions import LEAST, Action, Kind, Principal, Role, Thing, Verdict, may

FLEET = Thing(kind=Kind.FLEET)
#: Of each kind as such; making one for each call would cost more than the question.
OF_KIND: Mapping[Kind, Thing] = MappingProxyType({kind: Thing(kind=kind) for kind in Kind})

_WHERE = {
    Kind.JOB: "`herder job list` shows the jobs.",
    Kind.BATCH: "`herder batch list` shows the batches.",
    Kind.USER: "`herder user list` shows the users.",
    Kind.TOKEN: "`herder token list` shows the tokens.",
    Kind.SECRET: "`herder secret list` shows the secrets.",
}


def check(who: Principal, action: Action, thing: Thing, subject: str = "") -> None:
    """Raises Forbidden or NotKnown. `subject`: what needs the role, as the beginning of a sentence; by default the action."""
    verdict = may(who, action, thing)
    if verdict is Verdict.ALLOWED:
        return
    if verdict is Verdict.UNKNOWN:
        raise not_known(thing.kind, thing.name)
    raise _refusal(who, action, thing, subject)


def not_known(kind: Kind, name: object) -> NotKnown:
    """The same for what is not there and for what one may not know of."""
    return NotKnown(f"There is no {kind} {name}.", hint=_WHERE.get(kind, ""))


def _refusal(who: Principal, action: Action, thing: Thing, subject: str) -> Forbidden:
    least = max(LEAST.get((action, thing.kind), Role.ADMINISTRATOR), thing.least)
    if who.role < least:
        return Forbidden(
            f"{subject or 'This action'} needs the role {least.label}; {who.user} has the role {who.role.label}.",
            hint="Use a token with that role, or ask an administrator to run `herder user set`.",
        )
    if action is Action.CREATE and thing.kind in (Kind.JOB, Kind.BATCH):
        return Forbidden(
            f"{who.user} is not a member of project {thing.project} with the role user and cannot submit to it.",
            hint="An administrator adds members under `projects` in herder.yaml and runs `herder apply`.",
        )
    if thing.kind is Kind.TOKEN:
        return Forbidden(f"Only {thing.owner} and administrators can manage tokens of {thing.owner}.")
    if thing.kind is Kind.SECRET:
        owner = f"project {thing.project}" if thing.project else thing.owner
        return Forbidden(
            f"Secret {thing.name} belongs to {owner}; {who.user} cannot set or use it.",
            hint="Its user, or a member of its project with the role user, can do this. Administrators can only delete it.",
        )
    return Forbidden(
        f"{thing.kind.capitalize()} {thing.name} belongs to {thing.owner}.",
        hint="Its owner, a member of its project with the role user, or an operator can do this.",
    )
