"""Jobs and DaemonSets: defaults, the selector and the labels that name their owner, and what may not change."""

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.api.context import Context, Kind
from herder.testing.kubernetes.api.kinds.pod_spec import default_spec, read_spec, spec_causes
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.scheduler.pods import check_spec

POLICIES = ("Never", "OnFailure")


def _template(obj: Json) -> Json:
    spec = obj.setdefault("spec", {}) or {}
    obj["spec"] = spec
    template = spec.setdefault("template", {}) or {}
    spec["template"] = template
    template["metadata"] = template.get("metadata") or {}
    template["spec"] = template.get("spec") or {}
    found: Json = template
    return found


def _read(obj: Json) -> None:
    pod = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
    read_spec(pod)
    check_spec(pod)


def _create_job(obj: Json, _context: Context) -> None:
    template = _template(obj)
    spec, uid = obj["spec"], obj["metadata"]["uid"]
    default_spec_of_template = template["spec"]
    had_policy = "restartPolicy" in default_spec_of_template
    default_spec(default_spec_of_template)
    if not had_policy:
        default_spec_of_template["restartPolicy"] = "Always"
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    spec.setdefault("manualSelector", False)
    if not spec["manualSelector"]:
        name = obj["metadata"]["name"]
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        template["metadata"]["labels"] = (template["metadata"].get("labels") or {}) | {
            "batch.kubernetes.io/controller-uid": uid,
            "batch.kubernetes.io/job-name": name,
            "controller-uid": uid,
            "job-name": name,
        }
    obj["status"] = {}


def _job_causes(obj: Json) -> list[Cause]:
    spec = obj["spec"]
    pod = spec["template"]["spec"]
    causes = spec_causes(pod, "spec.template.spec")
    if pod.get("restartPolicy") not in POLICIES:
        field = "spec.template.spec.restartPolicy"
        if pod.get("restartPolicy") == "Always":
            causes.append(Cause.required(field, 'valid values: "OnFailure", "Never"'))
        else:
            causes.append(Cause.unsupported(field, str(pod.get("restartPolicy")), POLICIES))
    for name in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        value = spec.get(name)
        if value is not None and (not isinstance(value, int) or value < 0):
            causes.append(Cause.invalid(f"spec.{name}", value, "must be greater than or equal to 0"))
    if spec.get("podFailurePolicy") and pod.get("restartPolicy") != "Never":
        causes.append(
            Cause.invalid(
                "spec.template.spec.restartPolicy",
                pod.get("restartPolicy"),
                'only "Never" is supported when podFailurePolicy is specified',
            )
        )
    return causes


def _job_update_causes(new: Json, old: Json) -> list[Cause]:
    causes = []
    for name in ("template", "selector", "completions", "completionMode", "podFailurePolicy"):
        before, after = old["spec"].get(name), new["spec"].get(name)
        if before != after:
            causes.append(Cause.invalid(f"spec.{name}", after, "field is immutable"))
    return causes


def _create_set(obj: Json, _context: Context) -> None:
    default_spec(_template(obj)["spec"])
    spec = obj["spec"]
    spec.setdefault(
        "updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    )
    spec.setdefault("revisionHistoryLimit", 10)
    obj["status"] = {
        "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
    }  # fmt: skip


def _set_causes(obj: Json) -> list[Cause]:
    spec = obj["spec"]
    labels = spec["template"]["metadata"].get("labels") or {}
    wanted = (spec.get("selector") or {}).get("matchLabels")
    if not spec.get("selector"):
        return [Cause.required("spec.selector")]
    if wanted and any(labels.get(key) != value for key, value in wanted.items()):
        return [
            Cause.invalid(
                "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
            )
        ]
    return spec_causes(spec["template"]["spec"], "spec.template.spec")


JOB_KINDS = {
    "jobs.batch": Kind(read=_read, create=_create_job, causes=_job_causes, update_causes=_job_update_causes),
    "daemonsets.apps": Kind(read=_read, create=_create_set, causes=_set_causes),
}
