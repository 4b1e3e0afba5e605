"""What each kind adds to the verbs: defaults, checks and admission. One module a subject; `KINDS` names them all."""

from herder.testing.kubernetes.api.context import Kind
from herder.testing.kubernetes.api.kinds.clusters import CLUSTER_KINDS
from herder.testing.kubernetes.api.kinds.jobs import JOB_KINDS
from herder.testing.kubernetes.api.kinds.nodes import NODE
from herder.testing.kubernetes.api.kinds.pods import POD

KINDS: dict[str, Kind] = {"pods": POD, "nodes": NODE, **JOB_KINDS, **CLUSTER_KINDS}
