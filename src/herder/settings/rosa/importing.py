"""From a block of the ROSA module, or its variables, to the plain form of herder.yaml, with everything that was not taken over and why.

Called by `herder config import-rosa`, which prints or writes the result. What is answered has been read by Herder's own reader, but for the values that
only Terraform knows: those are left to a person, and the file cannot be used before they are written.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from herder.model.values.unfilled import unfilled
from herder.settings.imports import result
from herder.settings.imports.reading import Node, Source, unread
from herder.settings.imports.result import Finding, Imported, Kind, check_readable, grouped
from herder.settings.rosa import values
from herder.settings.rosa.hcl import Expression, read_hcl
from herder.settings.rosa.pools import CLUSTER, DRIVER, NAMED, any_unfilled, pools_of
from herder.settings.syntax.files import Unreadable
from herder.settings.syntax.problems import Place, Problem, SettingsError

KUBECONFIG = "/etc/herder/rosa.kubeconfig"
_OFF = "The pool is not created: {create} is not true."
_REASONS = (
    (r"source|version|providers|depends_on|count|for_each", ""),
    (r".*\.multi_az", "Set availability_zone or subnet in driver_options."),
    (r".*\.(spot|autoscaling)(\..*)?", "It is off."),
    (r".*\.replicas", "Autoscaling is on."),
    (r".*\.availability_zone", "The zone follows from the subnet."),
    (r"az_subnet_map(\..*)?", "No machine pool is in this zone without a subnet of its own."),
    (r"(.*\.)?openshift_version|skip_version_validation", "OCM gives a new machine pool the version of its cluster."),
    (r".*\.auto_repair", "OCM's default stays in force."),
    (r".*\.attach_ecr_policy", "Attach the policy to the role of the nodes in AWS."),
)  # fmt: skip
_UNKNOWN = "Herder has no setting for it."
_CLUSTER = "Write where the kubeconfig of the cluster is; the path in the file is an example."
_LOGIN = "Write client_id and client_secret_file of a service account, or set the variable RHCS_TOKEN for the server."
_PRICE = "Prices are those of us-east-1, on demand. Write those of your region."


def imported(text: str, file: str) -> Imported:
    """Raises SettingsError with every problem and its path."""
    root = Node(source=Source(file=file), value=_block(text, file))
    cluster_id = values.text(root.at("cluster_id"))
    found = pools_of(root)
    plain: dict[str, Any] = {
        "drivers": {
            DRIVER: {
                "kind": DRIVER,
                "settings": {
                    "rosa_cluster": cluster_id or unfilled("no cluster_id"),
                    "cluster": CLUSTER,
                },
            }
        },
        "clusters": {CLUSTER: {"kubeconfig": KUBECONFIG}},
        "pools": found.pools,
    }
    plain = json.loads(
        json.dumps(plain)
    )  # without values that two places share, which YAML would write as aliases
    found.to_do(f"clusters.{CLUSTER}", _CLUSTER)
    found.to_do(f"drivers.{DRIVER}.settings", _LOGIN)
    if any("templates" in pool for pool in found.pools.values()):
        found.to_do("pools", _PRICE)
    if any_unfilled(plain):
        found.to_do("pools", "Replace each <fill in: …> with the value: only Terraform knows it.")
    if root.source.problems:
        raise SettingsError(root.source.problems)
    check_readable(plain, file)
    return Imported(plain=plain, findings=grouped([*found.told, *_left(root)]))


def written(found: Imported, file: str) -> str:
    """herder.yaml with the findings as comments."""
    return result.written(found, file, "import-rosa")


def _block(text: str, file: str) -> dict[str, Any]:
    """The arguments of the module that has machine pools, or the variables of a .tfvars file."""
    try:
        read = read_hcl(text)
    except Unreadable as error:
        place = Place(file=file, line=error.line, column=error.column)
        raise SettingsError(
            [Problem(place=place, key="", message=error.message, remedy=error.remedy)]
        ) from None
    modules = [
        (name, body)
        for block in _rows(read.get("module"))
        for name, body in block.items()
        if isinstance(body, dict) and not body.keys().isdisjoint(_TELLING)
    ]
    if not modules and not read.keys().isdisjoint(_TELLING):
        return read
    if len(modules) == 1:
        return modules[0][1]
    names = ", ".join(name for name, _ in modules)
    raise SettingsError(
        [
            Problem(
                place=Place(file=file),
                key="module",
                message=f"The file has {len(modules)} modules with machine pools: {names}."
                if modules
                else "The file has no machine pools of the ROSA module.",
                remedy="Import each from a file of its own."
                if modules
                else f"Name the file whose module block has {', '.join(_TELLING[:-1])} or {_TELLING[-1]}.",
            )
        ]
    )


#: By these a block is known.
_TELLING = (*(each.create for each in NAMED), "machine_pools")


def _rows(blocks: Any) -> list[dict[str, Any]]:
    return [each for each in blocks if isinstance(each, dict)] if isinstance(blocks, list) else []


def _left(root: Node) -> Iterator[Finding]:
    off = [each for each in NAMED if root.value.get(each.create) in (None, False)]
    for path in unread(root):
        dotted = ".".join(path)
        why = next((why for pattern, why in _REASONS if re.fullmatch(pattern, dotted)), _UNKNOWN)
        for each in off:
            if path[0] in each.variables:
                why = _OFF.format(create=each.create)
        value = _at(root.value, path)
        if why:
            said = f" It is {value.text[:80]}." if isinstance(value, Expression) else ""
            yield Finding(kind=Kind.NOT_TAKEN, path=dotted, text=f"{why}{said}")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value[int(key)] if isinstance(value, list) else value.get(key)
    return value
