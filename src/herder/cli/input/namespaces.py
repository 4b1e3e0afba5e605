"""Names of Kubernetes namespaces that are given as options. Used by commands that write manifests."""

import re

from herder.cli.shell.options import usage

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check_namespace(option: str, value: str) -> None:
    if _NAMESPACE.fullmatch(value) is None:
        raise usage(
            f"{option} {value!r} is not the name of a Kubernetes namespace.",
            hint="Use small letters, digits and hyphens, at most 63.",
        )
