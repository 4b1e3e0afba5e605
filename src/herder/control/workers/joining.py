"""Machines that people add: the join token of a pool, and the call by which a machine becomes a worker.

`herder worker add` makes the token, `herder agent` shows it; called by the API. The token works for a time and a number of machines, may
never do anything else, and is listed and revoked like any other. Herder does not create its machine: `JoinedMachines` takes the place of the
provider, so that the loops treat such a worker like every other; whether it lives, its exchanges say.
"""

import dataclasses
import json

from herder.control.access.access_check import FLEET, check
from herder.control.access.tokens import token_id
from herder.control.budgets.worker_leases import check_paid, reserve_first
from herder.control.kernel.bounds.errors import Conflict, Invalid, Overloaded, Unauthenticated
from herder.control.kernel.bounds.limits import NOTE_LENGTH, TOKENS_LIVE, check_message, check_word
from herder.control.kernel.core import Core
from herder.control.kernel.secret_tokens import derived_token, hash_token, new_token
from herder.control.planning.plans import record_plan
from herder.control.pools.adding import template_named
from herder.control.pools.growth import check_growth
from herder.control.pools.pool_actions import pool_named
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.memory.events import record_event
from herder.engine.workers import worker as life
from herder.model.fleet.driver import JOINED, InvalidRequest, Listing, Machine, Phase, StartData
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PlanNumber, UserName, WorkerName
from herder.model.permissions import ROLES, Action, Principal, Role
from herder.model.planning.plan import CreateWorker, Plan, PoolReport, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import TokenRecord
from herder.model.values.phrases import counted
from herder.model.values.resources import Resources, format_cpu, format_mib
from herder.model.values.times import iso_or_none
from herder.settings.schedule_windows import pool_in_force
from herder.wire.api.people import JoinTokenCreate, JoinTokenCreated
from herder.wire.worker.exchange import JoinAnswer, JoinRequest

#: Of one token.
USES_MAX = 1_000
EXPIRES_S = 3_600.0
EXPIRES_SHORTEST_S, EXPIRES_LONGEST_S = 60, 30 * 86_400
#: Of a machine's name, what is kept.
HOST_LENGTH = 100
#: Hexadecimal digits of what marks a machine in its worker's handle.
MARK_LENGTH = 32


class JoinedMachines:
    """The driver of machines that were added by hand: it makes none, sees none, and removing one is telling its agent to leave."""

    name = JOINED

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        raise InvalidRequest(
            f"Machines of this driver are added by hand with `herder worker add {spec.pool}`."
        )

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        return Machine(worker=worker, handle="", phase=Phase.RUNNING)

    def delete(self, worker: WorkerName) -> Machine:
        return Machine(worker=worker, handle="", phase=Phase.GONE)

    def list(self) -> Listing:
        return Listing(machines=(), complete=False)

    def health(self) -> None:
        return


def create_join_token(
    core: Core,
    who: Principal,
    name: str,
    body: JoinTokenCreate,
    changes: Changes,
    now_ms: int,
    *,
    key: str | None,
) -> JoinTokenCreated:
    """For machines of a pool. `key`: the same call again gets the same token, without its ever being stored. Raises Refused."""
    check(who, Action.CHANGE, FLEET)
    check_message(body.note, "note", NOTE_LENGTH)
    check_word(body.template, "template")
    pool = pool_named(core, name)
    template = template_named(pool, body.template)
    expires_s = EXPIRES_S if body.expires_in_s is None else body.expires_in_s
    if not 1 <= body.uses <= USES_MAX:
        raise Invalid(f"A join token must be for 1 to {USES_MAX:,} machines.", field="uses")
    if not EXPIRES_SHORTEST_S <= expires_s <= EXPIRES_LONGEST_S:
        days = EXPIRES_LONGEST_S // 86_400
        raise Invalid(
            f"A join token must expire after {EXPIRES_SHORTEST_S} s to {days} days.", field="expires_in_s"
        )
    check_growth(core, pool_in_force(pool, now_ms), body.uses, "uses")
    live = [each for each in core.directory.tokens_of(who.user) if _over(each, now_ms) is None]
    if len(live) >= TOKENS_LIVE:
        raise Overloaded(
            f"{who.user} has {len(live)} tokens; the maximum is {TOKENS_LIVE}.",
            hint="Revoke tokens that are not in use: `herder token revoke ID`.",
        )
    token = _derived(core, who, name, body, key) if key else new_token()
    record = TokenRecord(
        hash_token(token), who.user, Role.VIEWER.label, body.note, now_ms, None, now_ms + int(expires_s * 1000), None,
        pool.name, template.name, body.uses,
    )  # fmt: skip
    core.directory.put_token(changes, record)
    text = (
        f"Join token {token_id(record.hash)} of {who.user} was created for "
        f"{counted(body.uses, 'machine')} of template {template.name} in pool {pool.name}."
    )
    _tell(core, changes, now_ms, "token.created", f"token/{token_id(record.hash)}", text, who.actor, who.user)
    return _created(core, token, record)


def made_join_token(
    core: Core, who: Principal, name: str, body: JoinTokenCreate, key: str
) -> JoinTokenCreated:
    """What the same call with this key made. Raises Conflict when it is worth nothing any more."""
    check(who, Action.CHANGE, FLEET)
    token = _derived(core, who, name, body, key)
    record = core.directory.tokens.get(hash_token(token))
    if record is None or _over(record, core.clock.now_ms()) is not None:
        raise Conflict(
            "The join token that was created with this Idempotency-Key has expired, was used up or was revoked.",
            hint="Use a new key for a new token.",
        )
    return _created(core, token, record)


def _derived(core: Core, who: Principal, pool: str, body: JoinTokenCreate, key: str) -> str:
    asked = ["join", who.user, key, pool, body.template, body.uses, body.expires_in_s, body.note]
    return derived_token(core.settings.secret, json.dumps(asked))


def _created(core: Core, token: str, record: TokenRecord) -> JoinTokenCreated:
    return JoinTokenCreated(
        token=token,
        id=token_id(record.hash),
        pool=record.join_pool or "",
        template=record.join_template or "",
        uses=record.join_uses_left or 0,
        expires_at=iso_or_none(record.expires_at_ms) or "",
        server_url=",".join(core.addresses),
    )


def guest(core: Core, token: str) -> TokenRecord:
    """The join token that a machine shows; whether it was used up, `join` says, since a repeat is answered. Raises Unauthenticated."""
    record = core.directory.tokens.get(hash_token(token)) if token else None
    if record is None or record.join_pool is None:
        raise _refused("Unknown join token.")
    over = _over(record._replace(join_uses_left=1), core.clock.now_ms())
    if over is not None:
        raise _refused(over)
    user = core.directory.users.get(UserName(record.user))
    if user is None or ROLES[user.role] < Role.OPERATOR:
        raise _refused(f"{record.user} created this join token but no longer has the role operator.")
    return record


def _over(record: TokenRecord, now_ms: int) -> str | None:
    if record.revoked_at_ms is not None:
        return "This join token was revoked."
    if record.expires_at_ms is not None and now_ms >= record.expires_at_ms:
        return f"This join token expired at {iso_or_none(record.expires_at_ms)}."
    if record.join_uses_left == 0:
        return "This join token was already used for the number of machines that it was created for."
    return None


def _refused(text: str) -> Unauthenticated:
    return Unauthenticated(text, hint="Create a new join token with `herder worker add POOL`.")


async def join(core: Core, token: str, request: JoinRequest) -> JoinAnswer:
    """The machine becomes a worker, which then activates like any other. The same token and nonce again get the same answer."""
    if not request.nonce or len(request.nonce) > HOST_LENGTH:
        raise Invalid(f"The nonce must have 1 to {HOST_LENGTH} characters.", field="nonce")
    # Everybody who sees the worker sees its handle: it must not say what a repeat has to show.
    mark = hash_token(json.dumps([token, request.nonce]))[:MARK_LENGTH]
    handle = f"{request.hostname[:HOST_LENGTH]}/{mark}"
    known = next(
        (each for each in core.state.workers.values() if (each.spec.driver, each.handle) == (JOINED, handle)),
        None,
    )
    with core.change(Changes()) as changes:
        name = (
            known.spec.name
            if known is not None
            else _joined(core, guest(core, token), request, handle, changes)
        )
    await core.commit(changes)
    return JoinAnswer(worker=name, activation_token=_activation(core, name))


def _joined(
    core: Core, record: TokenRecord, request: JoinRequest, handle: str, changes: Changes
) -> WorkerName:
    now_ms, state = core.clock.now_ms(), core.state
    core.take_in_work()
    over = _over(record, now_ms)
    if over is not None:
        raise _refused(over)
    pool = pool_named(core, record.join_pool or "")
    template = template_named(pool, record.join_template)
    check_growth(core, pool_in_force(pool, now_ms), 1, "uses")
    _check_size(pool, template.name, template.allocatable, request)
    number = PlanNumber(state.next_plan)
    text = f"{request.hostname[:HOST_LENGTH] or 'A machine'} joined with token {token_id(record.hash)} of {record.user}."
    reason = Reason(kind=ReasonKind.REQUESTED, text=text, evidence=(("workers", 1),))
    offer = min(offers_of(template), key=lambda each: (each.price_pico_per_hour, each.id))
    spec = worker_spec(pool, offer, number, 1, text)
    spec = dataclasses.replace(spec, driver=JOINED, zone="", spot=False, driver_options=())
    check_paid(core, (spec,), "uses", otherwise="wait for its next period")
    actual = sum(worker.spec.pool == pool.name for worker in state.workers.values())
    action = CreateWorker(spec=spec, expires_at_ms=None, reason=reason)
    report = PoolReport(
        pool=pool.name, actual=actual, in_flight=0, desired=actual + 1, queued_jobs=0, reasons=(reason,)
    )
    record_plan(state, changes, Plan(number=number, made_at_ms=now_ms, actions=(action,), pools=(report,)))
    worker = life.claim(state, changes, action, now_ms, manual=True, actor=f"user/{record.user}")
    reserve_first(core, changes, spec, now_ms)
    activation = hash_token(_activation(core, spec.name))
    life.provisioning(state, worker, activation)
    life.provisioned(state, changes, worker, handle, now_ms)
    core.directory.activations[activation] = spec.name
    core.directory.put_token(changes, record._replace(join_uses_left=(record.join_uses_left or 0) - 1))
    core.workers_changed.set()
    return spec.name


def _activation(core: Core, worker: WorkerName) -> str:
    return derived_token(core.settings.secret, f"activation/{worker}")


def _check_size(pool: PoolSpec, template: str, needs: Resources, has: JoinRequest) -> None:
    """A worker is as large as its template says, so its machine is not smaller. Raises Conflict."""
    for unit, wanted, there, shown in (
        ("", needs.cpu_milli, has.cpu_milli, format_cpu),
        (" of memory", needs.memory_mib, has.memory_mib, format_mib),
        (" of disk", needs.disk_mib, has.disk_mib, format_mib),
    ):
        if wanted > there:
            raise Conflict(
                f"This machine has {shown(there)}{unit}, but template {template} of pool {pool.name} needs {shown(wanted)}{unit}.",
                hint=f"Name a smaller template of the pool: `herder worker add {pool.name} --template NAME`.",
            )


def _tell(
    core: Core, changes: Changes, now_ms: int, kind: str, subject: str, text: str, actor: str, owner: str
) -> None:
    record_event(core.state, changes, now_ms, kind, subject, text, actor=actor, owner=owner)
