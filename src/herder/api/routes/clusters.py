"""Routes for clusters, and how a pod asks for the workers of a pool."""

from fastapi import Request

from herder.api.http.route_table import CHANGE_FLEET, RouteTable
from herder.model.permissions import Principal
from herder.wire.api.clusters import ClusterChecks, ClusterView, SchedulingInfo
from herder.wire.api.resources import Explanation, Page


def add(front: RouteTable) -> None:
    reads = front.reads

    async def list_clusters(request: Request, who: Principal) -> Page:
        """All clusters, and how each was seen last."""
        return reads.clusters(who)

    async def get_cluster(request: Request, who: Principal) -> ClusterView:
        """One cluster with its nodes that are workers."""
        return reads.cluster(who, request.path_params["cluster"])

    async def check(request: Request, who: Principal) -> ClusterChecks:
        """Ask a cluster whether it answers and whether each right that is needed was given."""
        return await reads.check_cluster(who, request.path_params["cluster"])

    async def scheduling(request: Request, who: Principal) -> SchedulingInfo:
        """What a pod writes so that it runs on the workers of a pool."""
        return reads.scheduling_info(who, request.path_params["pool"])

    async def why_pod(request: Request, who: Principal) -> Explanation:
        """Why a pod waits: whether it is demand, which pools could take it, and what holds them back. `cluster`: which one, if several have it."""
        at, query = request.path_params, request.query_params
        return await reads.why_pod(who, at["namespace"], at["pod"], query.get("cluster"))

    front.read("/clusters", list_clusters, Page)
    front.read("/clusters/{cluster}", get_cluster, ClusterView)
    front.read("/clusters/{cluster}/check", check, ClusterChecks, CHANGE_FLEET)
    front.read("/pools/{pool}/scheduling-info", scheduling, SchedulingInfo)
    front.read("/pods/{namespace}/{pod}/why", why_pod, Explanation)
