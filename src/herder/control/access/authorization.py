"""The answers of `model.principal.may` as refusals that say what is wrong and what to do. Asked inside every command and read.

It decides nothing itself. What somebody may not know of is told in the very words for what is not there.
"""

from collections.abc import Mapping
from types import MappingProxyType

from herder.control.kernel.errors import Forbidden, NotKnown
from herder.model.principal import LEAST, Action, Kind, Principal, Role, Thing, Verdict, may

FLEET = Thing(kind=Kind.FLEET)
#: Of each kind as such; making one for each call would cost more than the question.
OF_KIND: Mapping[Kind, Thing] = MappingProxyType({kind: Thing(kind=kind) for kind in Kind})

_WHERE = {
    Kind.JOB: "herder job list shows them",
    Kind.BATCH: "herder batch list shows what there is",
    Kind.USER: "herder user list shows them",
    Kind.TOKEN: "herder token list shows them",
}


def check(who: Principal, action: Action, thing: Thing, said: str = "") -> None:
    """Raises Forbidden or NotKnown. `said`: what is refused, where the words of this module would say too little."""
    verdict = may(who, action, thing)
    if verdict is Verdict.ALLOWED:
        return
    if verdict is Verdict.UNKNOWN:
        raise not_known(thing.kind, thing.name)
    raise _refusal(who, action, thing, said)


def not_known(kind: Kind, name: object) -> NotKnown:
    """The same for what is not there and for what one may not know of."""
    return NotKnown(f"there is no {kind} {name}", hint=_WHERE.get(kind, ""))


def _refusal(who: Principal, action: Action, thing: Thing, said: str) -> Forbidden:
    least = max(LEAST.get((action, thing.kind), Role.ADMINISTRATOR), thing.least)
    if who.role < least:
        return Forbidden(
            f"{said or 'this'} needs the role {least.label}, and {who.user} is {who.role.label} here",
            hint="use a token with that role, or ask an administrator: herder user set",
        )
    if action is Action.CREATE and thing.kind in (Kind.JOB, Kind.BATCH):
        return Forbidden(
            f"only members of project {thing.project} with the role user may submit to it, and {who.user} is not one",
            hint="an administrator adds members under projects in herder.yaml, then: herder apply",
        )
    if thing.kind is Kind.TOKEN:
        return Forbidden(f"only {thing.owner} and administrators make tokens of {thing.owner}")
    return Forbidden(
        f"{thing.kind} {thing.name} belongs to {thing.owner}",
        hint="its owner, a member of its project with the role user, or an operator may do this",
    )
