"""The waits of this story: beside all others, a ttl that ends soon is extended. Used by `scenes`."""

from collections.abc import Callable

from herder.client import HerderClient
from herder.demo.datacentre.cluster import Site
from herder.demo.telling import Teller
from herder.demo.waiting import Waiting as StoryWaiting
from herder.wire.api.resources import EventView, WorkerAction

EXTENSION_S = 5.0


class Waiting(StoryWaiting):
    def __init__(self, client: HerderClient, site: Site, tell: Teller, alive: Callable[[], bool]) -> None:
        super().__init__(client, tell, alive)
        self.site = site

    def happened(self, event: EventView) -> None:
        """A ttl that ends soon is extended at once: later may be too late."""
        if event.kind == "worker.expires_soon" and not self.found("worker.extended", event.object):
            action = WorkerAction(extend_s=EXTENSION_S)
            self.client.workers.act(event.object.partition("/")[2], "extend", action)
