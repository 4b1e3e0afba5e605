"""What is neither an object nor its status: evictions, bindings, logs, tokens of service accounts, finalizing a namespace, and metrics."""

from collections.abc import Callable, Mapping

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import Answer, ApiError, Request
from herder.testing.kubernetes.api.evictions import bind, evict
from herder.testing.kubernetes.api.routes import Route
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import written
from herder.testing.kubernetes.objects.resources import (
    NAMESPACES,
    NODE_METRICS,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
)
from herder.testing.kubernetes.objects.selectors import label_selector
from herder.testing.kubernetes.objects.stored import Stored
from herder.testing.kubernetes.objects.times import rfc3339
from herder.testing.kubernetes.rights.users import Tokens, service_account

WINDOW = "20s"
#: The least and the default life of a token of a service account.
TOKEN_LEAST_S, TOKEN_DEFAULT_S = 600, 3600


class Subresources:
    def __init__(self, verbs: Verbs, tokens: Tokens) -> None:
        self.verbs, self.tokens = verbs, tokens
        self.log_of: Callable[[Stored, str], bytes | None] = lambda _pod, _container: b""
        """What a container has printed; None: it has not started."""
        self.use_of: Callable[[Stored], tuple[int, int] | None] = lambda _stored: None
        """Of a node or a pod: CPU in thousandths of a core, and memory in bytes; None: it is not measured."""
        self.metrics_served = True

    def serve(self, found: Route, request: Request, body: Json, now_ms: int) -> Answer:
        key = (found.namespace, found.name)
        if found.subresource == "log" and found.verb == "get":
            return self._log(found, request.query)
        if found.subresource == "finalize" and found.verb == "update":
            return Answer.of(200, self._finalize(found, body))
        if found.verb != "create":
            raise ApiError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        if found.subresource == "eviction":
            return Answer.of(201, evict(self.verbs, key, body, now_ms))
        if found.subresource == "binding":
            return Answer.of(201, bind(self.verbs, key, body, now_ms))
        return Answer.of(201, self._token(found, body, now_ms))

    def _log(self, found: Route, query: Mapping[str, str]) -> Answer:
        pod = self.verbs.must_get(PODS, (found.namespace, found.name))
        spec = pod.decode()["spec"]
        names = [each["name"] for part in ("initContainers", "containers") for each in spec.get(part) or ()]
        container = query.get("container", "")
        if not container and len(spec["containers"]) > 1:
            raise answers.bad_request(
                f"a container name must be specified for pod {found.name}, choose one of: [{' '.join(names)}]"
            )
        container = container or spec["containers"][0]["name"]
        if container not in names:
            raise answers.bad_request(f"container {container} is not valid for pod {found.name}")
        text = self.log_of(pod, container) if spec.get("nodeName") else b""
        if text is None:
            raise answers.bad_request(
                f'container "{container}" in pod "{found.name}" is waiting to start: ContainerCreating'
            )
        if lines := query.get("tailLines", ""):
            text = b"".join(text.splitlines(keepends=True)[-int(lines) :]) if int(lines) else b""
        if most := query.get("limitBytes", ""):
            text = text[: int(most)]
        return Answer(status=200, body=text, headers={"Content-Type": "text/plain"})

    def _finalize(self, found: Route, body: Json) -> Json:
        held = self.verbs.must_get(NAMESPACES, ("", found.name))
        old = held.decode()
        new = {**old, "spec": {"finalizers": (body.get("spec") or {}).get("finalizers") or []}}
        return self.verbs.keep(NAMESPACES, held, old, new)

    def _token(self, found: Route, body: Json, now_ms: int) -> Json:
        self.verbs.must_get(SERVICE_ACCOUNTS, (found.namespace, found.name))
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds") or TOKEN_DEFAULT_S
        if seconds < TOKEN_LEAST_S:
            text = "may not specify a duration less than 10 minutes"
            cause = answers.Cause.invalid("spec.expirationSeconds", seconds, text)
            raise answers.invalid(SERVICE_ACCOUNTS, found.name, [cause])
        until_ms = now_ms + seconds * 1000
        token = self.verbs.ids.token()
        self.tokens.add(token, service_account(found.namespace, found.name), until_ms)
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": found.name, "namespace": found.namespace},
            "spec": {**spec, "expirationSeconds": seconds},
            "status": {"token": token, "expirationTimestamp": rfc3339(until_ms)},
        }

    # --- metrics.k8s.io

    def metrics(self, found: Route, query: Mapping[str, str], now_ms: int) -> Answer:
        if not self.metrics_served:
            raise ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        of_nodes = found.resource is NODE_METRICS
        source = NODES if of_nodes else PODS
        if found.name:
            stored = self.verbs.store.get(source, (found.namespace, found.name))
            shown = None if stored is None else self._measured(stored, of_nodes=of_nodes, now_ms=now_ms)
            if shown is None:
                raise answers.not_found(found.resource, found.name)
            return Answer.of(
                200, {"kind": found.resource.kind, "apiVersion": found.resource.api_version, **shown}
            )
        labels = label_selector(query.get("labelSelector", ""))
        items = [
            shown
            for stored in self.verbs.store.all(source, found.namespace)
            if labels.allows(stored.labels)
            and (shown := self._measured(stored, of_nodes=of_nodes, now_ms=now_ms)) is not None
        ]
        listed = {"kind": f"{found.resource.kind}List", "apiVersion": found.resource.api_version}
        return Answer.of(200, listed | {"metadata": {}, "items": items})

    def _measured(self, stored: Stored, *, of_nodes: bool, now_ms: int) -> Json | None:
        use = self.use_of(stored)
        if use is None:
            return None
        namespace, name = stored.key
        usage = {"cpu": written(use[0]), "memory": f"{use[1] // 1024}Ki"}
        metadata: Json = {"name": name, "creationTimestamp": rfc3339(now_ms), "labels": dict(stored.labels)}
        found: Json = {"metadata": metadata, "timestamp": rfc3339(now_ms), "window": WINDOW}
        if of_nodes:
            return found | {"usage": usage}
        metadata["namespace"] = namespace
        first = stored.decode()["spec"]["containers"][0]["name"]
        return found | {"containers": [{"name": first, "usage": usage}]}
