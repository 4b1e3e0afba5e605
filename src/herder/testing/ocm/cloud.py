"""OCM in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `faults`; what a test changes behind the back of a driver are the parts of `state`.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.fakes.answering import answered
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.timeline import Timeline
from herder.testing.ocm import refusals
from herder.testing.ocm.description import API
from herder.testing.ocm.refusals import ApiError
from herder.testing.ocm.settings import CLIENT, OFFLINE_TOKEN, SECRET, OcmTimes
from herder.testing.ocm.state import Json, Pool, State

Names = Mapping[str, str]


class PlayedOcm:
    """`asked`: the methods that were called, in order."""

    def __init__(self, times: OcmTimes | None = None, now_ms: int = 0) -> None:
        self.state = State(times or OcmTimes(), Timeline(now_ms))
        self.faults = self.state.faults
        self.asked: list[str] = []
        self.logins = 0

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.state.timeline.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        rule = self.faults.for_request(request.method, request.path)
        return answered(rule, lambda: self._answer(request), _refused)

    def _answer(self, request: Request) -> Answer:
        if request.path.endswith("/openid-connect/token"):
            return self._login(request)
        try:
            self._check_caller(request)
            found = API.method_of(request.method, request.path)
            if found is None:
                raise ApiError(404, f"No method of the API: {request.method} {request.path}")
            method, names = found
            query = request.parameters()
            body = json.loads(request.body) if request.body else None
            for misfit in (*method.unknown_parameters(query), *method.request_misfits(body)):
                raise ApiError(400, f"Malformed request: {misfit}")
            self.asked.append(method.name)
            answer = _METHODS[method.name](self, names, query, body)
        except ApiError as error:
            answer = error.answer()
            wrong = API.error_misfits(answer.body)
        else:
            wrong = method.answer_misfits(answer.status, answer.body)
        assert not wrong, f"the fake's answer to {request.method} {request.path}: {wrong[0]}"
        answer.body = b"" if answer.body is None else answer.body
        return answer

    # --- who calls

    def _login(self, request: Request) -> Answer:
        form = request.form()
        known = {
            "client_credentials": form.get("client_id") == CLIENT and form.get("client_secret") == SECRET,
            "refresh_token": form.get("client_id") == "cloud-services"
            and form.get("refresh_token") == OFFLINE_TOKEN,
        }
        if not known.get(form.get("grant_type", ""), False):
            words = {
                "error": "invalid_client",
                "error_description": "Invalid client or Invalid client credentials",
            }
            return Answer(status=401, body=words)
        self.logins += 1
        token = f"token-{self.logins}"
        self.state.tokens[token] = self.state.timeline.now_ms + self.state.times.token_s * 1000
        return Answer(
            status=200,
            body={"access_token": token, "expires_in": self.state.times.token_s, "token_type": "Bearer"},
        )

    def _check_caller(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or self.state.tokens.get(token, 0) <= self.state.timeline.now_ms:
            raise ApiError(401, "Bearer token is expired or unknown")
        if not self.state.terms_accepted:
            raise ApiError(451, "You must accept the Terms and Conditions in order to continue.")

    # --- clusters

    def _clusters(self, _names: Names, query: Names, _body: Any) -> Answer:
        rows = list(self.state.clusters.values())
        if search := query.get("search"):
            wanted = re.fullmatch(r"name = '((?:[^']|'')*)'", search)
            if wanted is None:
                raise ApiError(400, f"Search query '{search}' is not one that this fake reads")
            rows = [row for row in rows if row["name"] == wanted.group(1).replace("''", "'")]
        return _page(rows, query)

    def _cluster(self, names: Names, _query: Names, _body: Any) -> Answer:
        return Answer(status=200, body=self._found_cluster(names))

    def _autoscaler(self, names: Names, _query: Names, _body: Any) -> Answer:
        most = self.state.autoscalers.get(names["cluster_id"])
        if most is None:
            raise ApiError(404, f"Autoscaler for cluster '{names['cluster_id']}' not found")
        return Answer(
            status=200, body={"kind": "ClusterAutoscaler", "resource_limits": {"max_nodes_total": most}}
        )

    # --- pools

    def _pools(self, names: Names, query: Names, _body: Any) -> Answer:
        self._found_cluster(names)
        rows = [self._read(pool) for pool in self.state.pools_of(names["cluster_id"])]
        return _page(rows, query)

    def _pool(self, names: Names, _query: Names, _body: Any) -> Answer:
        return Answer(status=200, body=self._read(self._found_pool(names)))

    def _create(self, names: Names, _query: Names, body: Any) -> Answer:
        cluster = self._found_cluster(names)
        if cluster["state"] != "ready":
            raise ApiError(400, f"Cluster '{cluster['id']}' is not ready")
        refusals.check_new(body, cluster)
        if (cluster["id"], body["id"]) in self.state.pools:
            raise ApiError(400, f"Machine pool with id '{body['id']}' already exists")
        pool = Pool(cluster=cluster["id"], hosted=cluster["hypershift"]["enabled"], body=dict(body))
        self.state.pools[pool.cluster, pool.name] = pool
        self.state.settle(pool)
        headers = {"Warning": f'199 - "{self.state.warning}"'} if self.state.warning else {}
        return Answer(status=201, body=self._read(pool), headers=headers)

    def _change(self, names: Names, _query: Names, body: Any) -> Answer:
        cluster, pool = self._found_cluster(names), self._found_pool(names)
        refusals.check_fixed(pool.body, body, pool.hosted)
        after = {**pool.body, **body}
        if "aws_node_pool" in body:
            after["aws_node_pool"] = {**pool.body["aws_node_pool"], **body["aws_node_pool"]}
        # A size takes the place of the other kind of size.
        for size, other in (("replicas", "autoscaling"), ("autoscaling", "replicas")):
            if size in body and other not in body:
                after.pop(other, None)
        refusals.check(after, cluster)
        pool.body = after
        if "labels" in body:
            self.state.label(pool, body["labels"])
        self.state.settle(pool)
        return Answer(status=200, body=self._read(pool))

    def _delete(self, names: Names, _query: Names, _body: Any) -> Answer:
        cluster, pool = self._found_cluster(names), self._found_pool(names)
        if cluster["id"] in self.state.delete_protected:
            raise ApiError(403, f"Delete protection is enabled for cluster '{cluster['id']}'")
        if len(self.state.pools_of(cluster["id"])) == 1:
            raise ApiError(400, "The last machine pool of a cluster cannot be deleted")
        self.state.remove(pool)
        return Answer(status=204)

    # --- reading

    def _found_cluster(self, names: Names) -> Json:
        found = self.state.clusters.get(names["cluster_id"])
        if found is None:
            raise ApiError(404, f"Cluster '{names['cluster_id']}' not found")
        return found

    def _found_pool(self, names: Names) -> Pool:
        self._found_cluster(names)
        name = names.get("machine_pool_id", names.get("node_pool_id", ""))
        found = self.state.pools.get((names["cluster_id"], name))
        if found is None or found.hosted != ("node_pool_id" in names):
            raise ApiError(404, f"Machine pool with id '{name}' not found")
        return found

    def _read(self, pool: Pool) -> Json:
        kind, path = ("NodePool", "node_pools") if pool.hosted else ("MachinePool", "machine_pools")
        href = f"/api/clusters_mgmt/v1/clusters/{pool.cluster}/{path}/{pool.name}"
        body = {"kind": kind, "href": href, **pool.body}
        if pool.hosted:
            lacks = len(pool.nodes) != pool.wanted
            message = f"Scaling: {len(pool.nodes)} of {pool.wanted} replicas" if lacks else ""
            body["status"] = {"current_replicas": len(pool.nodes), "message": message}
        return body


def _refused(rule: Rule) -> Answer:
    return ApiError(rule.status, rule.text or "A fault that a test asked for.").answer()


def _page(rows: list[Json], query: Names) -> Answer:
    page, size = int(query.get("page", "1")), int(query.get("size", "100"))
    if page < 1 or size < 1:
        raise ApiError(400, f"Page {page} of size {size} is not valid")
    items = rows[(page - 1) * size : page * size]
    return Answer(status=200, body={"page": page, "size": len(items), "total": len(rows), "items": items})


_METHODS: dict[str, Callable[[PlayedOcm, Names, Names, Any], Answer]] = {
    "get /clusters": PlayedOcm._clusters,
    "get /clusters/{cluster_id}": PlayedOcm._cluster,
    "get /clusters/{cluster_id}/autoscaler": PlayedOcm._autoscaler,
    **{
        f"{verb} /clusters/{{cluster_id}}/{kind}{more}": act
        for kind, name in (("machine_pools", "machine_pool_id"), ("node_pools", "node_pool_id"))
        for verb, more, act in (
            ("get", "", PlayedOcm._pools),
            ("post", "", PlayedOcm._create),
            ("get", f"/{{{name}}}", PlayedOcm._pool),
            ("patch", f"/{{{name}}}", PlayedOcm._change),
            ("delete", f"/{{{name}}}", PlayedOcm._delete),
        )
    },
}
