"""The section `clusters:` of herder.yaml: how each cluster is reached. Read by `load`.

Secrets do not belong in these files: a token is named by a file or an environment variable, a kubeconfig by its path.
"""

from typing import Any

from herder.memberships.registry import UnknownMembership, load
from herder.model.fleet.cluster import (
    PROMETHEUS_CPU_QUERY,
    PROMETHEUS_MEMORY_QUERY,
    STALE_AFTER_S,
    ClusterSettings,
)
from herder.model.fleet.membership import LivesBy
from herder.settings.sections.fields import DURATION, Field, same
from herder.settings.sections.server import http_address
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Table, Value

SECTION = "clusters"
STALE_SHORTEST_S, STALE_LONGEST_S = 10.0, 3600.0
NAMESPACES_MAX = 1_000
#: Of a query in PromQL: it is a part of an address.
QUERY_LENGTH_MAX = 4_000
_TEXT = {"type": "string"}


def _read_membership(found: Reading, value: Value) -> str:
    name = validation.text(found, value)
    try:
        offered = load(name) if name else None
    except UnknownMembership as error:
        found.wrong(value, error.message, error.remedy)
        return name
    if offered is not None and offered.lives_by is not LivesBy.NODE:
        found.wrong(
            value,
            f"Membership {name!r} joins no cluster: its workers are not nodes.",
            "Use membership: kubernetes, or another one whose workers are nodes.",
        )
    return name


def _optional(found: Reading, value: Value) -> str | None:
    return validation.text(found, value) or None


def _read_stale(found: Reading, value: Value) -> float:
    seconds = validation.duration(found, value)
    if STALE_SHORTEST_S <= seconds <= STALE_LONGEST_S:
        return seconds
    low, high = format_duration(STALE_SHORTEST_S), format_duration(STALE_LONGEST_S)
    found.wrong(value, f"stale_after must be {low} to {high}.", f"Write a duration from {low} to {high}.")
    return STALE_AFTER_S


def _read_namespaces(found: Reading, value: Value) -> tuple[str, ...]:
    names = [validation.text(found, each) for each in validation.listing(found, value)]
    if len(names) > NAMESPACES_MAX:
        found.wrong(
            value,
            f"There are {len(names):,} namespaces, more than {NAMESPACES_MAX:,}.",
            "Name fewer, or none for all of them.",
        )
    return tuple(dict.fromkeys(name for name in names[:NAMESPACES_MAX] if name))


def _read_prometheus(found: Reading, value: Value) -> str | None:
    return http_address(found, value) or None


def _read_query(found: Reading, value: Value) -> str | None:
    query = " ".join(validation.text(found, value).split())
    if len(query) > QUERY_LENGTH_MAX:
        found.wrong(
            value,
            f"The query has {len(query):,} characters, more than {QUERY_LENGTH_MAX:,}.",
            "Make it a recording rule of Prometheus, and write the name of the rule.",
        )
    return query or None


def _query(key: str, doc: str) -> Field:
    schema = {**_TEXT, "maxLength": QUERY_LENGTH_MAX}
    return Field(key=key, attribute=key, read=_read_query, write=same, schema=schema, doc=doc)


def _text(key: str, doc: str) -> Field:
    return Field(key=key, attribute=key, read=_optional, write=same, schema=_TEXT, doc=doc)


#: Everything of a cluster but its name.
CLUSTER_FIELDS: tuple[Field, ...] = (
    Field(
        key="membership",
        attribute="membership",
        read=_read_membership,
        write=same,
        schema=_TEXT,
        doc="What its nodes join, and what connects to it.",
    ),
    _text(
        "kubeconfig",
        "The path of a kubeconfig. Without it and without api: the service account of the pod that the server runs in.",
    ),
    _text("context", "The context of the kubeconfig. Default: its current context."),
    Field(
        key="api",
        attribute="api",
        read=http_address,
        write=same,
        schema={**_TEXT, "examples": ["https://192.168.1.10:6443"]},
        doc="The address of the API server, instead of a kubeconfig. It needs token_file or token_env.",
    ),
    _text("ca_file", "With api: the file with the certificate authority of the API server, in PEM form."),
    _text("token_file", "With api: the file with the bearer token. It is read again when it changes."),
    _text("token_env", "With api: the environment variable with the bearer token."),
    Field(
        key="namespaces",
        attribute="namespaces",
        read=_read_namespaces,
        write=list,
        schema={"type": "array", "items": _TEXT, "maxItems": NAMESPACES_MAX},
        doc="The namespaces whose pending pods request workers. Default: all.",
    ),
    Field(
        key="stale_after",
        attribute="stale_after_s",
        read=_read_stale,
        write=format_duration,
        schema=DURATION,
        doc="A cluster that was not seen for this time decides nothing: its pools create and remove no workers until it is seen again. "
        "10s to 1h.",
    ),
    Field(
        key="prometheus",
        attribute="prometheus",
        read=_read_prometheus,
        write=same,
        schema={**_TEXT, "examples": ["http://prometheus.monitoring:9090"]},
        doc="The address of the Prometheus that measures the CPU and memory that the nodes use. Default: none; the metrics API of the "
        "cluster is asked.",
    ),
    _text(
        "prometheus_token_file", "With prometheus: the file with its bearer token. It is read at each query."
    ),
    _text("prometheus_token_env", "With prometheus: the environment variable with its bearer token."),
    _query(
        "prometheus_cpu_query",
        "With prometheus: the CPU cores in use, one series for each node. The label node, nodename, kubernetes_node or instance (without its "
        "port) must be the name, the host name or the InternalIP of the node. At most "
        f"{QUERY_LENGTH_MAX:,} characters. Default, for node-exporter: {PROMETHEUS_CPU_QUERY}",
    ),
    _query(
        "prometheus_memory_query",
        f"With prometheus: the same for the bytes in use. Default, for node-exporter: {PROMETHEUS_MEMORY_QUERY}",
    ),
)
_FIELD = {field.key: field for field in CLUSTER_FIELDS}


def read_cluster(found: Reading, entry: Entry, table: Table) -> ClusterSettings:
    given = {each.name: each.value for each in validation.known_only(found, table, (*_FIELD, "name"))}
    given.pop("name", None)
    values: dict[str, Any] = {_FIELD[key].attribute: _FIELD[key].read(found, given[key]) for key in given}
    _one_way(found, entry, table, given)
    _only_with_prometheus(found, given)
    return ClusterSettings(name=entry.name, **values)


def _one_way(found: Reading, entry: Entry, table: Table, given: dict[str, Value]) -> None:
    """It is reached in one way, and that way is complete."""
    if "kubeconfig" in given and "api" in given:
        found.wrong(
            given["api"], f"Cluster {entry.name!r} has both kubeconfig and api.", "Remove one of the two."
        )
    elif "context" in given and "kubeconfig" not in given:
        found.wrong(
            given["context"],
            f"Cluster {entry.name!r} has a context but no kubeconfig.",
            "Set kubeconfig, or remove context.",
        )
    for key in ("ca_file", "token_file", "token_env"):
        if key in given and "api" not in given:
            found.wrong(
                given[key], f"{key} has no effect without api.", f"Set api: https://…, or remove {key}."
            )
    if "token_file" in given and "token_env" in given:
        found.wrong(
            given["token_env"],
            "The token is configured twice, by token_file and by token_env.",
            "Remove one of the two.",
        )
    elif "api" in given and not {"token_file", "token_env"} & given.keys():
        found.wrong(
            table,
            f"Cluster {entry.name!r} has an api address but no token.",
            "Set token_file or token_env, or use a kubeconfig.",
        )


def _only_with_prometheus(found: Reading, given: dict[str, Value]) -> None:
    for field in CLUSTER_FIELDS:
        if field.key.startswith("prometheus_") and field.key in given and "prometheus" not in given:
            found.wrong(
                given[field.key],
                f"{field.key} has no effect without prometheus.",
                f"Set prometheus: http://…, or remove {field.key}.",
            )
    if {"prometheus_token_file", "prometheus_token_env"} <= given.keys():
        found.wrong(
            given["prometheus_token_env"],
            "The token of Prometheus is configured twice, by prometheus_token_file and by prometheus_token_env.",
            "Remove one of the two.",
        )


def write_cluster(cluster: ClusterSettings) -> dict[str, Any]:
    """Without what is not set, so that it can be read again."""
    plain = {field.key: field.write(field.of(cluster)) for field in CLUSTER_FIELDS}
    return {key: value for key, value in plain.items() if value is not None and value != []}
