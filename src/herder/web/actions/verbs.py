"""Verbs of pools and workers, and what every verb is: what can be chosen, how it is tried out and carried out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from herder.control.commands import WORKER_VERBS, Commands
from herder.model.permissions import Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.values.phrases import counted
from herder.web.actions.fields import Field
from herder.wire.api.resources import Result, SafetyCheck, ScaleRequest, WorkerAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a verb is given. With `dry_run` it changes nothing."""

    who: Principal
    target: str
    """The name or the number of the object."""
    given: Mapping[str, Any]
    message: str
    changes: Changes
    now_ms: int
    dry_run: bool
    found: Any = None
    """What the verb's `find` gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    text: str
    checks: list[SafetyCheck] = field(default_factory=list)
    leads_to: str = ""
    """The address of something that was made; empty: back to the object."""


async def _nothing(commands: Commands, who: Principal, target: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """`noun`: pool, worker, job or batch. `does`: what it does, for the page of the first step."""

    noun: str
    name: str
    words: str
    does: str
    kind: Kind
    run: Callable[[Commands, Order], Done]
    fields: tuple[Field, ...] = ()
    find: Callable[[Commands, Principal, str], Awaitable[Any]] = _nothing
    """Looks up what `run` needs. May raise Refused."""
    grave: bool = False
    """It ends something, and the command line asks for --yes."""
    says_why: bool = True
    """Whether it takes a message."""

    @property
    def plural(self) -> str:
        return "batches" if self.noun == "batch" else f"{self.noun}s"

    def address(self, target: str) -> str:
        return f"/{self.plural}/{target}"


def _result(result: Result) -> Done:
    return Done(text=result.text, checks=result.checks)


def _set_frozen(frozen: bool) -> Callable[[Commands, Order], Done]:
    def run(commands: Commands, order: Order) -> Done:
        return _result(
            commands.set_frozen(
                order.who,
                order.target,
                frozen,
                order.changes,
                order.now_ms,
                message=order.message,
                dry_run=order.dry_run,
            )
        )

    return run


def _scale(commands: Commands, order: Order) -> Done:
    given = order.given
    request = ScaleRequest(
        workers=given["workers"] or 0,
        template=given["template"],
        ttl_s=given["ttl"],
        reason=order.message,
    )
    answer = commands.scale_pool(
        order.who, order.target, request, order.changes, order.now_ms, dry_run=order.dry_run
    )
    count = counted(len(answer.workers), "worker")
    verb = "would be created" if order.dry_run else "are being created"
    if len(answer.workers) == 1 and not order.dry_run:
        verb = "is being created"
    return Done(text=f"{count} {verb} in pool {answer.pool}: {_some(answer.workers)}.", checks=answer.checks)


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def _act_on_worker(verb: str) -> Callable[[Commands, Order], Done]:
    def run(commands: Commands, order: Order) -> Done:
        given = order.given
        body = WorkerAction(
            message=order.message,
            force=bool(given.get("force")),
            timeout_s=given.get("timeout"),
            extend_s=given.get("by"),
        )
        return _result(
            commands.act_on_worker(
                order.who, order.target, verb, body, order.changes, order.now_ms, dry_run=order.dry_run
            )
        )

    return run


_TIMEOUT = Field(
    name="timeout",
    label="Running jobs may continue for",
    kind="duration",
    option="--timeout",
    hint="drain_grace of the pool",
)
_FORCE = Field(
    name="force", label="Stop running jobs at once; they are retried elsewhere", kind="flag", option="--force"
)
_BY = Field(name="by", label="How much longer", kind="duration", option="--by", hint="extension of the pool")
_WORKER = {
    "cordon": ("Cordon", "It gets no new work.", ()),
    "uncordon": ("Uncordon", "It gets new work again.", ()),
    "drain": ("Drain", "It gets no new work, what runs may end, and it stays.", (_TIMEOUT, _FORCE)),
    "extend": ("Extend", "Its time to live ends later.", (_BY,)),
    "remove": ("Remove", "It is drained, then deleted.", (_TIMEOUT, _FORCE)),
}
_SCALE = (
    Field(name="workers", label="Workers to add", kind="number", standard="1"),
    Field(name="template", label="Template", kind="text", option="--template", hint="the cheapest"),
    Field(name="ttl", label="Time to live", kind="duration", option="--ttl", hint="ttl of the pool"),
)

FLEET_VERBS = (
    Verb(
        noun="pool",
        name="scale",
        words="Add workers",
        does="Workers are added. They stay until their time to live ends, also when they are idle.",
        kind=Kind.FLEET,
        run=_scale,
        fields=_SCALE,
    ),
    Verb(
        noun="pool",
        name="freeze",
        words="Freeze",
        does="It is observed, but no workers are created or removed.",
        kind=Kind.FLEET,
        run=_set_frozen(True),
    ),
    Verb(
        noun="pool",
        name="unfreeze",
        words="Unfreeze",
        does="Workers are created and removed again.",
        kind=Kind.FLEET,
        run=_set_frozen(False),
    ),
    *(
        Verb(
            noun="worker",
            name=name,
            words=_WORKER[name][0],
            does=_WORKER[name][1],
            fields=_WORKER[name][2],
            kind=Kind.FLEET,
            run=_act_on_worker(name),
            grave=name in ("drain", "remove"),
        )
        for name in WORKER_VERBS
    ),
)
