"""The two steps of an action: a page with what would happen (GET), and the form that carries it out (POST).

Both ask the same command, so the first step refuses what the second would. A form that is sent twice is carried out once.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from herder.control.access.form_writes import FormWrites
from herder.control.access.idempotency import Kind as MadeKind
from herder.control.access.idempotency import Made
from herder.control.kernel.bounds.errors import Forbidden, NotKnown, NotReady, Refused
from herder.control.kernel.secret_tokens import new_token
from herder.model.permissions import Principal
from herder.model.stored.changes import Changes
from herder.ports.store import StoreDown
from herder.web.actions.fields import MESSAGE_MAX, given_in, parsed, words_of
from herder.web.actions.verbs import FLEET_VERBS, Done, Order, Verb
from herder.web.actions.work_verbs import WORK_VERBS
from herder.web.addresses import name_of
from herder.web.pages.site import Shown, Site

_KEY = re.compile(r"form-[0-9A-Za-z_-]{16,100}")


def add(site: Site, writes: FormWrites) -> None:
    for verb in (*FLEET_VERBS, *WORK_VERBS):
        _Steps(site, writes, verb).add()


class _Steps:
    def __init__(self, site: Site, writes: FormWrites, verb: Verb) -> None:
        self.site = site
        self.writes = writes
        self.verb = verb

    def add(self) -> None:
        verb, path = self.verb, f"{self.verb.address('{target}')}/{self.verb.name}"
        self.site.add(path, verb.plural, "action", self.ask)
        self.site.add_form(path, verb.plural, "action", self.carry_out)

    async def ask(self, who: Principal, request: Request) -> Shown:
        """The first step."""
        target, given = self._target(request), given_in(request.query_params, self.verb.fields)
        key = f"form-{new_token()}"
        try:
            preview = await self._try(who, target, given, "")
        except (Forbidden, NotKnown):
            raise
        except Refused as error:
            return self._page(target, given, key, wrong=error)
        return self._page(target, given, key, preview=preview)

    async def carry_out(self, who: Principal, request: Request, form: Mapping[str, str]) -> Shown | Response:
        """The second step."""
        verb, target = self.verb, self._target(request)
        given, message = given_in(form, verb.fields), form.get("message", "").strip()
        key = form.get("key", "")
        if not _KEY.fullmatch(key):
            raise Forbidden("This form is incomplete, and nothing was changed.", hint="Open it again.")
        asked = json.dumps(["form", verb.noun, verb.name, target, given, message])
        try:
            order = await self._order(who, target, given, message)
            done = await self.writes.carry_out(
                who, key, asked, f"{verb.noun}/{target}", lambda *now: self._run(order, *now)
            )
        except (Forbidden, NotKnown):
            raise
        except Refused as error:
            return self._page(target, given, f"form-{new_token()}", wrong=error)
        except StoreDown as error:
            trouble = NotReady(str(error), hint="Send the form again: what it asks for is done only once.")
            return self._page(target, given, key, wrong=trouble, again=True, message=message)
        return self._lead(who, key, target, _before(done) if isinstance(done, Made) else done)

    def _lead(self, who: Principal, key: str, target: str, done: Done) -> Response:
        if done.text:
            self.site.notices.keep(who.user, key, done.text)
        address = done.leads_to or self.verb.address(quote(target))
        return RedirectResponse(f"{address}?done={key}", 303)

    def _target(self, request: Request) -> str:
        return name_of(str(request.path_params["target"]), self.verb.noun)

    async def _order(self, who: Principal, target: str, given: Mapping[str, str], message: str) -> Order:
        return Order(
            who=who,
            target=target,
            given=parsed(given, self.verb.fields),
            message=message,
            changes=Changes(),
            now_ms=0,
            dry_run=False,
            found=await self.verb.find(self.site.commands, who, target),
        )

    async def _try(self, who: Principal, target: str, given: Mapping[str, str], message: str) -> Done:
        order = replace(await self._order(who, target, given, message), dry_run=True)
        return self.writes.try_out(lambda *now: self._run(order, *now))

    def _run(self, order: Order, changes: Changes, now_ms: int) -> Done:
        return self.verb.run(self.site.commands, replace(order, changes=changes, now_ms=now_ms))

    def _page(
        self,
        target: str,
        given: Mapping[str, str],
        key: str,
        *,
        preview: Done | None = None,
        wrong: Refused | None = None,
        again: bool = False,
        message: str = "",
    ) -> Shown:
        """`again`: it is not known whether it was done. The same key and the same fields, with `message`, do it once."""
        verb = self.verb
        words = ["herder", verb.noun, verb.name, target, *words_of(given, verb.fields)]
        return Shown(
            template="actions/confirm.html",
            command=shlex.join([*words, "--yes"] if verb.grave else words),
            values={
                "verb": verb,
                "target": target,
                "back": verb.address(quote(target)),
                "address": f"{verb.address(quote(target))}/{verb.name}",
                "given": given,
                "key": key,
                "preview": preview,
                "wrong": "" if wrong is None else f"{wrong.detail} {wrong.hint}".strip(),
                "again": again,
                "message": message,
                "message_max": MESSAGE_MAX,
            },
            status=200 if wrong is None else wrong.status,
        )


def _before(made: Made) -> Done:
    """Of a form that was sent again: what is known of it, which after a restart is its event."""
    leads_to = f"/jobs/{made.number}" if made.kind is MadeKind.JOB else ""
    return Done(text="", leads_to=leads_to)
