"""Times calls for the metrics: by area, method and class of status, so that no caller can make new series.

Called by `hot_routes.py` for each call. An area is the first word of a path of the API, or what else is served.
"""

from collections.abc import Set

from herder.api.http.hot_routes import Answered
from herder.api.http.route_table import RouteTable
from herder.control.reads.port import Reads

API, DOCUMENTED = "/api/v1/", "/api/"


def areas_of(front: RouteTable) -> Set[str]:
    """The first words of all paths of the API."""
    return {each.path.split("/")[1] for each in front.operations} | {"health", "ready"}


def area_of(areas: Set[str], path: str) -> str:
    if path.startswith(API):
        word = path[len(API) :].partition("/")[0]
        return word if word in areas or word == "worker" else "unknown"
    if path.startswith(DOCUMENTED):
        return "documented"
    return "metrics" if path == "/metrics" else "dashboard"


def begun(reads: Reads, areas: Set[str]) -> Answered:
    """A call begins."""
    measure = reads.call_begun()

    def answered(path: str, method: str, status: int) -> None:
        measure(area_of(areas, path), method, status)

    return answered
