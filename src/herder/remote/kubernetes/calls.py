"""Calls of the Kubernetes API as data: the path, and the right that each needs. Data only.

Made by `memberships/kubernetes`, sent by `connection`, named by `errors`. The verbs are those of RBAC, so that a call and the line of a
role that allows it are one thing.
"""

from dataclasses import dataclass
from urllib.parse import quote

_METHODS = {"create": "POST", "delete": "DELETE", "patch": "PATCH", "update": "PUT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    plural: str
    group: str = ""
    version: str = "v1"

    @property
    def prefix(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Right:
    """What one rule of a role allows. `resource` has its subresource behind a slash."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" ({self.group})" if self.group else "")

    @property
    def rule(self) -> str:
        """As a line of a ClusterRole."""
        return f'{{apiGroups: ["{self.group}"], resources: ["{self.resource}"], verbs: ["{self.verb}"]}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    verb: str
    resource: Resource = Resource(plural="")
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    url: str = ""
    """Of what is no resource, such as /version."""

    @property
    def method(self) -> str:
        return _METHODS.get(self.verb, "GET")

    @property
    def path(self) -> str:
        if self.url:
            return self.url
        scope = ("namespaces", self.namespace) if self.namespace else ()
        parts = (*scope, self.resource.plural, self.name, self.subresource)
        return "/".join((self.resource.prefix, *(quote(part, safe="") for part in parts if part)))

    @property
    def right(self) -> Right:
        below = f"/{self.subresource}" if self.subresource else ""
        plural = self.url or self.resource.plural
        return Right(group=self.resource.group, resource=plural + below, verb=self.verb)

    def __str__(self) -> str:
        """`create pods/eviction default/web-0`."""
        what = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.right} {what}".rstrip()


NODES = Resource(plural="nodes")
PODS = Resource(plural="pods")
NODE_METRICS = Resource(plural="nodes", group="metrics.k8s.io", version="v1beta1")
ACCESS_REVIEWS = Resource(plural="selfsubjectaccessreviews", group="authorization.k8s.io")
