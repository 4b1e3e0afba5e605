"""Labels and taints of pools and templates by the rules of Kubernetes, for what people write. Called by `bounds`; pure.

A worker of a Kubernetes cluster carries them as they are, and its API server refuses a node whose labels break these rules.
"""

import re
from collections.abc import Iterator

from herder.model.fleet.pool import PoolSpec

NAME_MOST, PREFIX_MOST = 63, 253
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY_REMEDY = (
    f"Use 1 to {NAME_MOST} letters, digits, dashes, dots and underscores that begin and end with a letter or digit, "
    "and before them a DNS name and / if necessary, such as example.com/rack."
)
_VALUE_REMEDY = f"Use up to {NAME_MOST} letters, digits, dashes, dots and underscores that begin and end with a letter or digit, or nothing."

Fault = tuple[str, str, str]
"""(setting, what is wrong, remedy)."""


def label_faults(pool: PoolSpec) -> Iterator[Fault]:
    yield from _pairs("labels", "label", pool.labels)
    yield from _pairs("taints", "taint", tuple((taint.key, taint.value) for taint in pool.taints))
    for template in pool.templates:
        yield from _pairs("templates", f"label of template {template.name}", template.labels)


def _pairs(setting: str, what: str, pairs: tuple[tuple[str, str], ...]) -> Iterator[Fault]:
    for key, value in pairs:
        if wrong := _wrong_key(key):
            yield setting, f"The key {_shown(key)} of a {what} {wrong}.", _KEY_REMEDY
        if len(value) > NAME_MOST or (value and not _NAME.fullmatch(value)):
            length = f" has {len(value):,} characters" if len(value) > NAME_MOST else " is not valid"
            yield setting, f"The value {_shown(value)} of {what} {_shown(key)}{length}.", _VALUE_REMEDY


def _wrong_key(key: str) -> str:
    """A clause; empty when nothing is wrong."""
    prefix, slash, name = key.rpartition("/")
    if not key:
        return "is empty"
    if slash and (len(prefix) > PREFIX_MOST or not _PREFIX.fullmatch(prefix)):
        return "does not begin with a DNS name"
    if len(name) > NAME_MOST:
        return f"has {len(name):,} characters"
    return "" if _NAME.fullmatch(name) else "is not valid"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
