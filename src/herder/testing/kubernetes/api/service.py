"""The API server without a network: a request and a time go in, an answer or a watch comes out.

Who asks is found first, then what is asked for, then whether that user may; then the verb runs. Faults that a test asked for are put in
front of it. Called by the HTTP edge and by callers in the same process, always from one thread.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import Answer, ApiError, Request
from herder.testing.kubernetes.api.bodies import body_of
from herder.testing.kubernetes.api.deletion import DeleteOptions, delete
from herder.testing.kubernetes.api.discovery import HEALTH, discovery
from herder.testing.kubernetes.api.listing import Form, integer, list_answer, selected, version_of
from herder.testing.kubernetes.api.patching import APPLY, patch
from herder.testing.kubernetes.api.routes import Registry, Route, route
from herder.testing.kubernetes.api.subresources import Subresources
from herder.testing.kubernetes.api.tables import table
from herder.testing.kubernetes.api.verbs import Verbs, Writing
from herder.testing.kubernetes.api.watches import Scope, Watch
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import ACCESS_REVIEWS, RULES_REVIEWS
from herder.testing.kubernetes.objects.selectors import (
    BadSelector,
    FieldSelector,
    field_selector,
    label_selector,
)
from herder.testing.kubernetes.objects.stored import SELECTABLE
from herder.testing.kubernetes.rights import reviews, roles
from herder.testing.kubernetes.rights.roles import Ask
from herder.testing.kubernetes.rights.users import ANONYMOUS, Tokens, User

NOT_FOUND = "404 page not found\n"
METADATA_FIELDS = ("metadata.name", "metadata.namespace")
JOB_WARNING = (
    '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to '
    'remove them or set propagationPolicy=Orphan to suppress this warning"'
)


class Service:
    def __init__(self, verbs: Verbs, registry: Registry, tokens: Tokens) -> None:
        self.verbs, self.registry, self.tokens = verbs, registry, tokens
        self.store = verbs.store
        self.watches: dict[Watch, None] = {}
        self.subresources = Subresources(verbs, tokens)
        self.requests = 0
        self.seen: Callable[[Request, User], None] = lambda _request, _user: None
        """Told of each request whose sender is known."""

    def handle(self, request: Request, now_ms: int) -> Answer | Watch:
        self.requests += 1
        try:
            return self._handle(request, now_ms)
        except ApiError as error:
            return error.answer()
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            if request.method == "GET":
                raise
            text = f"the body cannot be read: {type(error).__name__}: {error}"
            return answers.bad_request(text).answer()

    def _handle(self, request: Request, now_ms: int) -> Answer | Watch:
        user = self._user(request, now_ms)
        self.seen(request, user)
        found = route(self.registry, request.method, request.path, request.query)
        if found is None:
            return self._other(request, user)
        self._may(user, found)
        if found.subresource:
            known = ("status",) if found.resource.status else ()
            if found.subresource not in (*known, *found.resource.subresources):
                return Answer.text(404, NOT_FOUND)
        elif found.verb not in found.resource.verbs:
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        return self._serve(request, found, user, now_ms)

    def _user(self, request: Request, now_ms: int) -> User:
        user = self.tokens.user_of(request.headers, now_ms)
        other = request.headers.get("impersonate-user")
        if not other:
            return user
        ask = Ask(verb="impersonate", resource="users", name=other)
        if not roles.allowed(self.store, user, ask):
            why = (
                f'User "{user.name}" cannot impersonate resource "users" in API group "" at the cluster scope'
            )
            raise ApiError(
                403, "Forbidden", f'users "{other}" is forbidden: {why}', {"name": other, "kind": "users"}
            )
        groups = tuple(filter(None, request.headers.get("impersonate-group", "").split(",")))
        return User(name=other, groups=(*groups, "system:authenticated"))

    def _other(self, request: Request, user: User) -> Answer:
        if user is ANONYMOUS and request.path not in (*HEALTH, "/version"):
            why = f'User "system:anonymous" cannot get path "{request.path}"'
            raise ApiError(403, "Forbidden", f"forbidden: {why}")
        return discovery(self.registry, request.path) or Answer.text(404, NOT_FOUND)

    def _may(self, user: User, found: Route) -> None:
        ask = Ask(
            verb=found.verb,
            resource=found.asked,
            group=found.resource.group,
            namespace=found.namespace,
            name=found.name,
        )
        if not roles.allowed(self.store, user, ask):
            raise roles.refusal(found.resource, user, ask)

    # --- what is asked for

    def _serve(self, request: Request, found: Route, user: User, now_ms: int) -> Answer | Watch:
        if found.resource is ACCESS_REVIEWS:
            return Answer.of(201, reviews.access_review(self.store, user, self._object(request)))
        if found.resource is RULES_REVIEWS:
            return Answer.of(201, reviews.rules_review(self.store, user, self._object(request)))
        if found.subresource and found.subresource != "status":
            body = self._object(request) if request.body else {}
            return self.subresources.serve(found, request, body, now_ms)
        if found.resource.group == "metrics.k8s.io":
            return self.subresources.metrics(found, request.query, now_ms)
        handlers: dict[str, Callable[[Request, Route, User, int], Answer | Watch]] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_all,
        }
        return handlers[found.verb](request, found, user, now_ms)

    def _object(self, request: Request) -> Json:
        found = body_of(request)
        if not isinstance(found, dict):
            raise answers.bad_request("the body is no object")
        return found

    def _writing(self, request: Request, found: Route, now_ms: int) -> Writing:
        agent = request.headers.get("user-agent", "").partition("/")[0]
        applies = request.headers.get("content-type", "").startswith(APPLY)
        manager = request.query.get("fieldManager") or ("" if applies else agent or "unknown")
        dry_run = request.query.get("dryRun", "")
        if dry_run not in ("", "All"):
            raise answers.bad_request(f'dryRun: Unsupported value: "{dry_run}": supported values: "All"')
        return Writing(
            now_ms=now_ms,
            dry_run=bool(dry_run),
            manager=manager,
            subresource=found.subresource,
            strict=request.query.get("fieldValidation") == "Strict",
        )

    def _scope(self, request: Request, found: Route) -> Scope:
        try:
            labels = label_selector(request.query.get("labelSelector", ""))
            fields = field_selector(request.query.get("fieldSelector", ""))
        except BadSelector as error:
            raise answers.bad_request(str(error)) from None
        self._check_fields(found, fields)
        form = Form.of(request.headers.get("accept", ""))
        return Scope(
            resource=found.resource,
            namespace=found.namespace,
            name=found.name,
            labels=labels,
            fields=fields,
            metadata_only=form.metadata_only,
        )

    def _check_fields(self, found: Route, fields: FieldSelector) -> None:
        allowed = SELECTABLE.get(found.resource.full_name, frozenset())
        for field, _, _ in fields.terms:
            if field not in allowed and field not in METADATA_FIELDS:
                where = f"{found.resource.group}/{found.resource.version}, Resource={found.resource.plural}"
                raise answers.bad_request(
                    f'Unable to find "{where}" that match label selector "", field selector '
                    f'"{field}": field label not supported: {field}'
                )

    def _get(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        stored = self.verbs.must_get(found.resource, (found.namespace, found.name))
        form = Form.of(request.headers.get("accept", ""))
        if form.table:
            metadata: Json = {"resourceVersion": str(stored.version)}
            return Answer.of(200, table(found.resource, [stored], metadata, now_ms))
        return Answer(status=200, body=stored.metadata_only() if form.metadata_only else stored.json())

    def _list(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        form = Form.of(request.headers.get("accept", ""))
        return list_answer(self.store, self._scope(request, found), request.query, form, now_ms)

    def _watch(self, request: Request, found: Route, _user: User, now_ms: int) -> Watch:
        scope, query = self._scope(request, found), request.query
        version = version_of(query)
        initial = query.get("sendInitialEvents") == "true"
        timeout_ms = integer(query, "timeoutSeconds") * 1000 or self.verbs.settings.watch_timeout_ms
        bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        if initial and (query.get("resourceVersionMatch") != "NotOlderThan" or not bookmarks):
            text = "sendInitialEvents is only allowed with resourceVersionMatch=NotOlderThan and allowWatchBookmarks"
            raise answers.invalid(
                found.resource, "", [answers.Cause(field="sendInitialEvents", message=text)]
            )
        from_now = initial or version == 0
        start = self.store.version if from_now else version
        watch = Watch(
            self.store, scope, now_ms=now_ms, timeout_ms=timeout_ms, bookmarks=bookmarks, start=start
        )
        if from_now:
            watch.initial(list(selected(self.store, scope)), marked=initial)
        else:
            changes = self.store.since(found.resource, version)
            if changes is None:
                oldest = self.store.shelf(found.resource).compacted
                watch.refuse(answers.expired(f"too old resource version: {version} ({oldest})"))
                return watch
            watch.replay(changes)
        watch.listen()
        self.watches[watch] = None
        return watch

    def _create(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        if found.name or (found.resource.namespaced and not found.namespace):
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        writing = self._writing(request, found, now_ms)
        done = self.verbs.create(found.resource, found.namespace, self._object(request), writing)
        return _told(Answer.of(201, done), writing)

    def _update(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        obj = self._object(request)
        name = (obj.get("metadata") or {}).get("name", found.name)
        if name != found.name:
            raise answers.bad_request(
                f"the name of the object ({name}) does not match the name on the URL ({found.name})"
            )
        existed = self.store.get(found.resource, (found.namespace, found.name)) is not None
        writing = self._writing(request, found, now_ms)
        done = self.verbs.update(found.resource, (found.namespace, found.name), obj, writing)
        return _told(Answer.of(200 if existed else 201, done), writing)

    def _patch(self, request: Request, found: Route, user: User, now_ms: int) -> Answer:
        media = request.headers.get("content-type", "").partition(";")[0].strip()
        if media == APPLY and self.store.get(found.resource, (found.namespace, found.name)) is None:
            self._may(user, replace(found, verb="create"))
        writing = self._writing(request, found, now_ms)
        status, done = patch(
            self.verbs,
            found.resource,
            (found.namespace, found.name),
            body_of(request),
            media,
            writing,
            force=request.query.get("force") == "true",
        )
        return _told(Answer.of(status, done), writing)

    def _options(self, request: Request) -> DeleteOptions:
        body = self._object(request) if request.body.strip() else {}
        return DeleteOptions.read(body, dict(request.query))

    def _delete(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        options = self._options(request)
        done = delete(self.verbs, found.resource, (found.namespace, found.name), now_ms, options)
        warns = found.resource.full_name == "jobs.batch" and not options.propagation
        return Answer.of(200, done, {"Warning": JOB_WARNING} if warns else None)

    def _delete_all(self, request: Request, found: Route, _user: User, now_ms: int) -> Answer:
        """Of one namespace, and of those that the selectors allow."""
        options, scope = self._options(request), self._scope(request, found)
        version = self.store.version
        items: list[Any] = []
        for stored in list(selected(self.store, scope)):
            delete(self.verbs, found.resource, stored.key, now_ms, options)
            items.append(msgspec.Raw(stored.body))
        resource = found.resource
        listed = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        return Answer.of(200, listed | {"metadata": {"resourceVersion": str(version)}, "items": items})


def _told(answer: Answer, writing: Writing) -> Answer:
    if writing.warnings:
        quoted = (text.replace('"', '\\"') for text in writing.warnings)
        answer.headers["Warning"] = ", ".join(f'299 - "{text}"' for text in quoted)
    return answer
