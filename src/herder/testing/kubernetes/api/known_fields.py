"""The fields that the kinds have which Herder writes. Others are dropped, with a warning or, where the client wants it, an error.

A name in a table stands for a field of any content; one with a table below it is looked into. Kinds without a table keep what they get.
"""

from collections.abc import Mapping
from typing import Any

from herder.testing.kubernetes.objects import Json

Table = Mapping[str, Any]


def _names(text: str, **below: Table) -> dict[str, Any]:
    return dict.fromkeys(text.split()) | below


METADATA = _names(
    "name generateName namespace uid resourceVersion generation creationTimestamp deletionTimestamp "
    "deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields selfLink"
)
_KEY = _names("name key optional")
_SOURCE = _names(
    "resourceFieldRef fileKeyRef",
    secretKeyRef=_KEY,
    configMapKeyRef=_KEY,
    fieldRef=_names("apiVersion fieldPath"),
)
_ENV = _names("name value", valueFrom=_SOURCE)
_ENV_FROM = _names("prefix", secretRef=_names("name optional"), configMapRef=_names("name optional"))
CONTAINER = _names(
    "name image command args workingDir ports volumeDevices livenessProbe readinessProbe startupProbe "
    "lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin "
    "stdinOnce tty resizePolicy restartPolicy restartPolicyRules",
    env=_ENV,
    envFrom=_ENV_FROM,
    resources=_names("requests limits claims"),
    volumeMounts=_names("name mountPath subPath subPathExpr readOnly recursiveReadOnly mountPropagation"),
)
_TOLERATION = _names("key operator value effect tolerationSeconds")
_SPREAD = _names(
    "maxSkew topologyKey whenUnsatisfiable labelSelector minDomains nodeAffinityPolicy nodeTaintsPolicy "
    "matchLabelKeys"
)
POD_SPEC = _names(
    "volumes ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy "
    "nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID "
    "hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain schedulerName "
    "hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks "
    "preemptionPolicy overhead setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources "
    "hostnameOverride workloadRef",
    containers=CONTAINER,
    initContainers=CONTAINER,
    tolerations=_TOLERATION,
    topologySpreadConstraints=_SPREAD,
    affinity=_names("nodeAffinity podAffinity podAntiAffinity"),
)
_TEMPLATE = {"metadata": METADATA, "spec": POD_SPEC}
_RULE = _names(
    "action",
    onExitCodes=_names("containerName operator values"),
    onPodConditions=_names("type status"),
)
JOB_SPEC = _names(
    "parallelism completions activeDeadlineSeconds successPolicy backoffLimit backoffLimitPerIndex "
    "maxFailedIndexes selector manualSelector ttlSecondsAfterFinished completionMode suspend "
    "podReplacementPolicy managedBy",
    podFailurePolicy={"rules": _RULE},
    template=_TEMPLATE,
)
_TOP = _names("kind apiVersion", metadata=METADATA)
TABLES: dict[str, Table] = {
    "pods": _TOP | {"spec": POD_SPEC, "status": None},
    "jobs.batch": _TOP | {"spec": JOB_SPEC, "status": None},
    "nodes": _TOP
    | {
        "spec": _names(
            "podCIDR podCIDRs providerID unschedulable configSource externalID",
            taints=_names("key value effect timeAdded"),
        ),
        "status": None,
    },
    "poddisruptionbudgets.policy": _TOP
    | {"spec": _names("minAvailable maxUnavailable selector unhealthyPodEvictionPolicy"), "status": None},
    "secrets": _TOP | _names("data stringData type immutable"),
    "configmaps": _TOP | _names("data binaryData immutable"),
    "priorityclasses.scheduling.k8s.io": _TOP | _names("value globalDefault description preemptionPolicy"),
    "networkpolicies.networking.k8s.io": _TOP
    | {"spec": _names("podSelector policyTypes", ingress=_names("from ports"), egress=_names("to ports"))},
    "roles.rbac.authorization.k8s.io": _TOP
    | {"rules": _names("verbs apiGroups resources resourceNames nonResourceURLs")},
    "clusterroles.rbac.authorization.k8s.io": _TOP
    | _names("aggregationRule")
    | {"rules": _names("verbs apiGroups resources resourceNames nonResourceURLs")},
    "leases.coordination.k8s.io": _TOP
    | {
        "spec": _names(
            "holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy preferredHolder"
        )
    },
}


#: What a field of this name is, wherever it is.
_TYPES: dict[type, str] = {
    int: "parallelism completions activeDeadlineSeconds backoffLimit ttlSecondsAfterFinished "
    "terminationGracePeriodSeconds tolerationSeconds maxSkew minDomains priority leaseDurationSeconds "
    "backoffLimitPerIndex maxFailedIndexes",
    str: "name generateName namespace image restartPolicy nodeName operator effect topologyKey schedulerName "
    "priorityClassName completionMode podReplacementPolicy preemptionPolicy whenUnsatisfiable dnsPolicy "
    "action containerName providerID type holderIdentity kind apiVersion mountPath",
    bool: "suspend unschedulable manualSelector hostNetwork globalDefault immutable",
    dict: "metadata spec status template nodeSelector labels annotations selector affinity securityContext resources "
    "podFailurePolicy data stringData overhead requests limits labelSelector onExitCodes",
    list: "containers initContainers tolerations taints volumes topologySpreadConstraints schedulingGates env "
    "envFrom finalizers ownerReferences rules onPodConditions command args ports volumeMounts values verbs "
    "apiGroups resourceNames imagePullSecrets matchLabelKeys",
}
FIELD_TYPES = {name: kind for kind, names in _TYPES.items() for name in names.split()}
#: Fields that are another thing in some kinds.
_NAMES_OF_OTHERS = {"resources": (dict, list), "status": (dict, str), "key": (str,)}


def _check_type(name: str, value: Any, path: str) -> None:
    wanted = _NAMES_OF_OTHERS.get(name) or ((FIELD_TYPES[name],) if name in FIELD_TYPES else ())
    if not wanted:
        return
    if isinstance(value, wanted) and not (isinstance(value, bool) and bool not in wanted):
        return
    raise ValueError(f"json: cannot unmarshal {type(value).__name__} into Go struct field {path}")


def pruned(obj: Json, full_name: str) -> tuple[Json, list[str]]:
    """The object without unknown fields and without nulls, and the paths of the unknown. Raises ValueError for a field of another type."""
    table = TABLES.get(full_name)
    if table is None:
        return obj, []
    unknown: list[str] = []
    found: Json = _pruned(obj, table, "", unknown)
    return found, unknown


def _pruned(value: Any, table: Table | None, path: str, unknown: list[str]) -> Any:
    if table is None:
        return value
    if isinstance(value, list):
        if not all(isinstance(each, dict) for each in value):
            raise ValueError(f"json: cannot unmarshal an item of {path} into an object")
        return [_pruned(each, table, f"{path}[{index}]", unknown) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        raise ValueError(f"json: cannot unmarshal {type(value).__name__} into Go struct field {path}")
    found = {}
    for key, each in value.items():
        below = f"{path}.{key}" if path else key
        if each is None:
            continue
        if key in table:
            _check_type(key, each, below)
            found[key] = _pruned(each, table[key], below, unknown)
        else:
            unknown.append(below)
    return found
