"""Which template VMs a pool means, and where they could be cloned to. Reads through `api`; called by `driver`.

A template is named by its VMID, its name or a tag of it. On storages of one node each node needs its own; from a shared one it is cloned
to any node.
"""

from collections.abc import Mapping

from herder.model.fleet.driver import DriverClock, InvalidRequest, Unavailable
from herder.remote.proxmox.machines.api import Api, Json
from herder.remote.proxmox.machines.objects import Cluster, Guest, boot_disk
from herder.remote.proxmox.machines.placement import Place
from herder.remote.proxmox.machines.settings import ProxmoxSettings

_KEPT_MS = 300_000
_CACHED_MOST = 256


class Templates:
    def __init__(self, api: Api, settings: ProxmoxSettings, clock: DriverClock) -> None:
        self._api, self._settings, self._clock = api, settings, clock
        self._configs: dict[tuple[str, int], tuple[int, Json]] = {}

    def config(self, node: str, vmid: int) -> Json:
        now_ms, kept = self._clock.monotonic_ms(), self._configs.get((node, vmid))
        if kept is not None and now_ms - kept[0] < _KEPT_MS:
            return kept[1]
        found = self._api.config(node, vmid)
        if len(self._configs) >= _CACHED_MOST:
            self._configs.clear()
        self._configs[node, vmid] = (now_ms, found)
        return found

    def places(self, cluster: Cluster, options: Mapping[str, str], zone: str) -> list[Place]:
        """One for each node that may get the worker. Raises InvalidRequest when there is none."""
        wanted = options["template"]
        found = [each for each in cluster.guests if _means(each, wanted)]
        if not found:
            raise InvalidRequest(
                f"There is no template VM {wanted!r} that the API token sees. Check its name, that it is a template, and VM.Audit on /vms."
            )
        places = dict[str, Place]()
        nodes = [each.node for each in cluster.nodes if self._may(each.node, options, zone)]
        for guest in sorted(found, key=lambda each: each.vmid):
            node = cluster.node(guest.node)
            if node is None or not node.online:
                continue
            own = boot_disk(self.config(guest.node, guest.vmid))[1]
            row = cluster.storage(own, guest.node)
            for name in nodes:
                if name == guest.node or (row is not None and row.shared):
                    storage = self._settings.storage or own
                    place = Place(node=name, template=guest.vmid, template_node=guest.node, storage=storage)
                    if name not in places or guest.node == name:
                        places[name] = place
        if not places:
            self._explain(cluster, found, nodes, wanted)
        self._check_storages(cluster, list(places.values()))
        return [places[name] for name in sorted(places)]

    def _may(self, node: str, options: Mapping[str, str], zone: str) -> bool:
        allowed = self._settings.node_names
        return (
            (not allowed or node in allowed) and options.get("node", node) == node and (zone or node) == node
        )

    def _explain(self, cluster: Cluster, found: list[Guest], nodes: list[str], wanted: str) -> None:
        where = ", ".join(sorted({each.node for each in found}))
        if any(node.node in {each.node for each in found} and not node.online for node in cluster.nodes):
            raise Unavailable(f"Template {wanted} is on node {where}, which is offline. Start the node.")
        raise InvalidRequest(
            f"Template {wanted} is on node {where}, not on a node that may get the worker ({', '.join(nodes) or 'none'}). "
            "Create the template on each node, or on a shared storage."
        )

    def _check_storages(self, cluster: Cluster, places: list[Place]) -> None:
        for name in (self._settings.storage, self._settings.iso_storage):
            if name and not any(cluster.storage(name, place.node) for place in places):
                raise InvalidRequest(
                    f"Storage {name} does not exist on node {places[0].node}, or the API token lacks Datastore.Audit on /storage/{name}."
                )


def _means(guest: Guest, wanted: str) -> bool:
    return bool(guest.template) and (
        str(guest.vmid) == wanted or guest.name == wanted or wanted in guest.tag_list
    )
