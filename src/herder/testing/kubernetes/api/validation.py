"""Checks of names, labels and quantities that all kinds share. Each answers what is wrong; nothing here changes an object."""

import re
from collections.abc import Mapping
from typing import Any

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.objects import Json

SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN = re.compile(SUBDOMAIN)
LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LABEL_VALUE = re.compile(LABEL_VALUE)
LABEL_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_NAME = re.compile(LABEL_NAME)
_RBAC_NAME = re.compile(r"[^/%]+")

NAME_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{SUBDOMAIN}')"
)
VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '{LABEL_VALUE}')"
)
KEY_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{LABEL_NAME}')"
)
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def name_causes(name: str, *, free: bool = False) -> list[Cause]:
    """`free`: names of roles, which may be nearly anything."""
    if not name:
        return [Cause.required("metadata.name", "name or generateName is required")]
    if len(name) > 253:
        return [Cause.invalid("metadata.name", name, "must be no more than 253 bytes")]
    if not (_RBAC_NAME if free else _SUBDOMAIN).fullmatch(name):
        return [Cause.invalid("metadata.name", name, NAME_TEXT)]
    return []


def key_causes(field: str, key: str) -> list[Cause]:
    prefix, slash, last = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        return [Cause.invalid(field, key, f"prefix part {NAME_TEXT}")]
    if not last or len(last) > 63:
        return [Cause.invalid(field, key, "name part must be no more than 63 bytes")]
    if not _LABEL_NAME.fullmatch(last):
        return [Cause.invalid(field, key, KEY_TEXT)]
    return []


def value_causes(field: str, value: Any) -> list[Cause]:
    if not isinstance(value, str):
        return [Cause.invalid(field, value, "must be a text")]
    if len(value) > 63:
        return [Cause.invalid(field, value, "must be no more than 63 bytes")]
    if not _LABEL_VALUE.fullmatch(value):
        return [Cause.invalid(field, value, VALUE_TEXT)]
    return []


def label_causes(labels: Mapping[str, Any] | None, field: str = "metadata.labels") -> list[Cause]:
    causes = []
    for key, value in (labels or {}).items():
        causes += key_causes(field, key) + value_causes(field, value)
    return causes


def taint_causes(taints: list[Json] | None) -> list[Cause]:
    causes, seen = [], set()
    for index, taint in enumerate(taints or []):
        field = f"spec.taints[{index}]" if index or len(taints or []) > 1 else "spec.taints[0]"
        if not taint.get("key"):
            causes.append(Cause.required(f"{field}.key"))
        else:
            causes += key_causes(f"{field}.key", taint["key"])
        causes += value_causes(f"{field}.value", taint.get("value", ""))
        if taint.get("effect") not in EFFECTS:
            causes.append(Cause.unsupported(f"{field}.effect", taint.get("effect", ""), EFFECTS))
        pair = (taint.get("key"), taint.get("effect"))
        if pair in seen:
            causes.append(
                Cause(field=field, message=f"Duplicate value: {pair}", reason="FieldValueDuplicate")
            )
        seen.add(pair)
    return causes
