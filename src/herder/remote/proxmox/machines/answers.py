"""What Proxmox answers about one VM, one task or one token, checked before it is believed. Pure; called by `api`.

An answer of another form, or about another VM, is Unavailable: it is no proof that a VM is gone, stopped or somebody else's.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from herder.model.fleet.driver import Unavailable
from herder.model.fleet.driver_capabilities import Network

ADDRESSES_MAX = 16
#: A configuration that has none of them does not say whose it is.
_TELLING = frozenset({"digest", "name", "tags", "lock"})
_NOT_CARDS = ("lo", "cni", "flannel", "cilium", "lxc", "veth", "docker", "kube-", "cali", "br-", "dummy")


def config_of(found: Any, vmid: int) -> dict[str, Any]:
    plain = isinstance(found, dict) and all(isinstance(each, (str, int, float)) for each in found.values())
    if (
        not plain
        or not _TELLING & found.keys()
        or str(found.get("template", 0)) not in ("0", "1", "True", "False", "")
    ):
        raise _unknown(f"the configuration of VM {vmid}")
    return found  # type: ignore[no-any-return]


def power_of(found: Any, vmid: int) -> bool:
    """Whether it runs."""
    if not isinstance(found, dict) or found.get("status") not in ("running", "stopped"):
        raise _unknown(f"the status of VM {vmid}")
    _check_same(found, "vmid", str(vmid), f"the status of VM {vmid}")
    return bool(found["status"] == "running")


def task_of(found: Any, upid: str) -> tuple[bool, str]:
    """Whether it runs, and the exit status of one that has ended."""
    if not isinstance(found, dict) or found.get("status") not in ("running", "stopped"):
        raise _unknown("a task")
    _check_same(found, "upid", upid, "a task")
    end = found.get("exitstatus", "")
    if not isinstance(end, str):
        raise _unknown("a task")
    return found["status"] == "running", end


def addresses_of(found: Any) -> tuple[str, ...]:
    """That others can reach, of what the guest agent says."""
    cards = found.get("result") if isinstance(found, dict) else None
    addresses = [
        address
        for card in _mappings(cards)
        if not str(card.get("name", "")).startswith(_NOT_CARDS)
        for each in _mappings(card.get("ip-addresses"))
        if (address := _reachable(each.get("ip-address")))
    ]
    return tuple(addresses[:ADDRESSES_MAX])


def privileges_of(found: Any) -> dict[str, dict[str, Any]]:
    """By path."""
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise _unknown("the privileges of the token")
    return found


def bridges_of(found: Any, node: str) -> list[Network]:
    """Of one node. A bridge that knows no VLANs gets one of its own for each that is wanted, so it carries all."""
    if not isinstance(found, list) or not all(isinstance(each, dict) and "iface" in each for each in found):
        raise _unknown(f"the bridges of node {node}")
    return [Network(name=str(each["iface"]), zones=(node,), vlans=_vlans(each, node)) for each in found]


def _vlans(bridge: Mapping[str, Any], node: str) -> tuple[tuple[int, int], ...]:
    """`bridge_vids` of a bridge that knows VLANs: `2-4094`, or single ones between spaces or commas."""
    if str(bridge.get("bridge_vlan_aware", 0)) != "1":
        return ()
    words = str(bridge.get("bridge_vids", "")).replace(",", " ").replace(";", " ").split()
    try:
        ends = [[int(end) for end in word.split("-")] for word in words]
    except ValueError:
        raise _unknown(f"the VLANs of bridge {bridge['iface']} of node {node}") from None
    return tuple((each[0], each[-1]) for each in ends)


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _reachable(text: Any) -> str:
    """Empty: it is no address, or one of the machine itself."""
    try:
        address = ip_address(text if isinstance(text, str) else "")
    except ValueError:
        return ""
    own = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
    return "" if own else str(text)


def _check_same(found: Mapping[str, Any], key: str, wanted: str, what: str) -> None:
    if str(found.get(key, wanted)) != wanted:
        raise Unavailable(
            f"Proxmox was asked for {what} and answers about {str(found[key])[:80]!r}. Herder asks again."
        )


def _unknown(what: str) -> Unavailable:
    return Unavailable(f"Proxmox describes {what} in a form that Herder does not know. Check its version.")
