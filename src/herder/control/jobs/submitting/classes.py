"""From a submitted job to its class: parsed, checked for feasibility once per class, and cached.

A class is what scheduling sees (`model.work.job.JobClass`). One look-up stands before the parsing: jobs of one call usually repeat the
same few classes, so the cost per job is one tuple and one dictionary access.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING

from herder.control.access.access_check import check
from herder.control.jobs.submitting.class_refusals import (
    refuse_classes_more,
    refuse_impossible,
    refuse_one_project_more,
)
from herder.control.jobs.submitting.retry_policy import retry_policy, with_learned_memory
from herder.control.jobs.submitting.time_limits import check_timeouts, deadline_ms
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.bounds.limits import (
    EXPRESSION_VALUES,
    EXPRESSIONS_COUNT,
    SELECTOR_COUNT,
    TOLERATIONS_COUNT,
    check_between,
    check_count,
    check_requirements,
    check_word,
    check_words,
)
from herder.decide.eligibility.affinity import fault
from herder.decide.eligibility.matching import CONTAINERS
from herder.engine.jobs.classes import class_id_of
from herder.model.fleet.pool import CpuLimit, TaintEffect, Toleration
from herder.model.ids import ClassId, UserName
from herder.model.permissions import Action, Kind, Principal, Role, Thing
from herder.model.stored.changes import Changes
from herder.model.values.phrases import parts
from herder.model.values.resources import BUILT_IN, Dimensions, Resources, parse_cpu, parse_mib
from herder.model.work.demand import NO_AFFINITY, Affinity, Expression, Operator
from herder.model.work.job import CONTAINER, RUNTIMES, WHOLE_GPU, JobClass
from herder.model.work.sharing import PRIORITY_MAX
from herder.wire.api.work import JobSubmission

if TYPE_CHECKING:
    from herder.control.kernel.core import Core

#: Classes remembered by their raw form; cleared when full (they are found again by the parsed form).
RAW_MAX = 10_000
#: In one job.
GPUS_MAX = 1024


def class_of(core: "Core", user: UserName, project: str, job: JobSubmission, where: str) -> ClassId:
    """The class of a job; a new one is checked against the pools. Raises Invalid that names the field."""
    deadline = deadline_ms(job, where, core.clock.now_ms()) if job.deadline else None
    raw = _raw(core, user, project, job, where, deadline)
    found = core.raw_classes.get(raw)
    if found is not None:
        return found
    job_class = _checked(core, user, project, job, where, deadline)
    class_id = core.state.class_ids.get(job_class)
    if class_id is None:
        refuse_classes_more(core, 1)
        class_id = _remember(core, job_class)
    if len(core.raw_classes) >= RAW_MAX:
        core.raw_classes.clear()
    core.raw_classes[raw] = class_id
    return class_id


def try_class(
    core: "Core",
    user: UserName,
    project: str,
    job: JobSubmission,
    where: str,
    tried: dict[Hashable, JobClass],
) -> None:
    """The checks of `class_of` for a dry run, which keeps nothing. `tried`: the call's own. Raises Refused."""
    deadline = deadline_ms(job, where, core.clock.now_ms()) if job.deadline else None
    raw = _raw(core, user, project, job, where, deadline)
    if raw in tried or raw in core.raw_classes:
        return
    tried[raw] = job_class = _checked(core, user, project, job, where, deadline)
    if job_class not in core.state.class_ids:
        refuse_classes_more(core, len(set(tried.values()) - core.state.class_ids.keys()))


def _raw(
    core: "Core", user: UserName, project: str, job: JobSubmission, where: str, deadline: int | None
) -> Hashable:
    """The form in which the job names its class."""
    if job.project is not None and job.project != project:
        raise Invalid(
            f"The job names project {job.project!r}, but its batch belongs to project {project!r}.",
            field=f"{where}project",
            hint="Omit the job's project, or submit the job in another batch.",
        )
    return (
        user,
        project,
        job.cpu,
        job.memory,
        job.disk,
        job.gpu,
        job.gpu_model,
        tuple(sorted(job.resources.items())) if job.resources else (),
        job.pool,
        job.priority,
        CONTAINER if job.image else job.runtime,
        job.timeout_s,
        job.queue_timeout_s,
        deadline,
        job.retries,
        job.attempts_max,
        job.on_retry,
        (job.memory_profile, core.state.memory_peaks.learned_mib((user, project, job.memory_profile)))
        if job.memory_profile
        else None,
        job.always_run,
        job.parents_results,
        job.cpu_limit,
        bool(job.secrets),
        job.type,
        tuple(sorted(job.selector.items())) if job.selector else (),
        tuple(tuple(sorted(each.items())) for each in job.tolerations) if job.tolerations else (),
        tuple((each.key, each.operator, *each.values) for each in job.affinity) if job.affinity else (),
    )


def _checked(
    core: "Core", user: UserName, project: str, job: JobSubmission, where: str, deadline: int | None
) -> JobClass:
    job_class = with_learned_memory(core.state, _parse(core, user, project, job, where, deadline))
    refuse_one_project_more(core, user, project, where)
    refuse_impossible(core, job_class, where)
    return job_class


def _parse(
    core: "Core", user: UserName, project: str, job: JobSubmission, where: str, deadline: int | None
) -> JobClass:
    _check_lengths(job, where)
    if job.runtime not in RUNTIMES:
        names = ", ".join(sorted(RUNTIMES))
        raise Invalid(
            f"There is no runtime {job.runtime!r}.", field=f"{where}runtime", hint=f"Choose one of {names}."
        )
    contained = bool(job.image) or job.runtime == CONTAINER
    priority = _priority(core, job.priority, f"{where}priority")
    check_timeouts(job, where)
    request = _request(core.state.resources, job, where)
    return JobClass(
        user=user,
        project=project,
        pool=job.pool,
        request=request,
        priority=priority,
        runtime=CONTAINER if contained else job.runtime,
        timeout_s=job.timeout_s,
        queue_timeout_s=job.queue_timeout_s,
        deadline_ms=deadline,
        retry=retry_policy(job, request.memory_mib, where),
        selector=tuple(sorted(job.selector.items())),
        tolerations=tuple(_toleration(each, f"{where}tolerations") for each in job.tolerations),
        affinity=_affinity(job, where, contained=contained) if job.affinity or contained else NO_AFFINITY,
        gpu_share_milli=_gpu_share_milli(job, where),
        gpu_models=_gpu_models(job, where),
        always_run=job.always_run,
        parents_results=job.parents_results,
        cpu_limit=CpuLimit(job.cpu_limit) if job.cpu_limit else None,
        secrets=bool(job.secrets),
        type=job.type,
    )


def check_priority(core: "Core", who: Principal, given: int | str, where: str) -> None:
    """Whether `who` may ask for it; asked for each job, since what was remembered of a class may be another's right.

    Up to 0 everybody, above that the value of a class that is for the role of `who`, and operators all.
    """
    value = _priority(core, given, f"{where}priority")
    if isinstance(given, int) and value <= 0:
        return
    known = next((each for each in core.state.sharing.priority_classes if each.value == value), None)
    least = known.role if known is not None else Role.OPERATOR
    check(who, Action.CREATE, Thing(kind=Kind.PRIORITY, least=least), f"Priority {given}")


def _check_lengths(job: JobSubmission, where: str) -> None:
    for name in ("cpu", "memory", "disk", "gpu_model", "pool", "runtime"):
        check_word(getattr(job, name), f"{where}{name}")
    check_words(job.selector, SELECTOR_COUNT, f"{where}selector")
    check_count(len(job.tolerations), TOLERATIONS_COUNT, f"{where}tolerations")
    for each in job.tolerations:
        check_words(each, 4, f"{where}tolerations")
    check_count(len(job.affinity), EXPRESSIONS_COUNT, f"{where}affinity")
    for number, expression in enumerate(job.affinity):
        path = f"{where}affinity[{number}]"
        check_word(expression.key, path)
        check_count(len(expression.values), EXPRESSION_VALUES, path)
        for value in expression.values:
            check_word(value, path)
    check_requirements(requirements_bytes(job), where)


def requirements_bytes(job: JobSubmission) -> int:
    """Of all keys and values of selector, tolerations and affinity: a class keeps them in memory."""
    texts = [
        *(text for pair in job.selector.items() for text in pair),
        *(text for each in job.tolerations for text in each.values()),
        *(text for each in job.affinity for text in (each.key, *each.values)),
    ]
    return sum(len(text.encode(errors="replace")) for text in texts)


def _priority(core: "Core", given: int | str, path: str) -> int:
    if isinstance(given, int):
        check_between(given, -PRIORITY_MAX, PRIORITY_MAX, path)
        return given
    classes = core.state.sharing.priority_classes
    for each in classes:
        if each.name == given:
            return each.value
    known = ", ".join(f"{each.name} ({each.value})" for each in classes)
    raise Invalid(
        f"There is no priority class {given[:50]!r}.",
        field=path,
        hint=f"Use one of {known}, or a number."
        if known
        else "No class is defined under `priority_classes` in herder.yaml. Use a number; a higher number is more urgent.",
    )


def _request(table: Dimensions, job: JobSubmission, where: str) -> Resources:
    amounts = {}
    for field, parse, value in (
        ("cpu", parse_cpu, job.cpu),
        ("memory", parse_mib, job.memory),
        ("disk", parse_mib, job.disk),
    ):
        try:
            amounts[field] = parse(value)
        except ValueError as error:
            message, hint = parts(error)
            raise Invalid(message, field=f"{where}{field}", hint=hint) from None
    if amounts["cpu"] == 0 or amounts["memory"] == 0:
        field = "cpu" if amounts["cpu"] == 0 else "memory"
        raise Invalid(
            "A job must request CPU and memory.",
            field=f"{where}{field}",
            hint="The minimum is 1m CPU and 1Mi memory.",
        )
    # A share is one part of a GPU that is split, whatever the number of parts.
    gpu = 1 if 0 < job.gpu < 1 else int(job.gpu)
    asked = {each.name: amounts[each.key] for each in BUILT_IN if each.key in amounts}
    return table.vector({**asked, "gpu": gpu, **_declared(table, job, where)})


def _declared(table: Dimensions, job: JobSubmission, where: str) -> dict[str, int]:
    """What it asks for of the resources that the server declares."""
    found: dict[str, int] = {}
    known = {each.name: each for each in table.declared}
    for name, amount in job.resources.items():
        path = f"{where}resources.{name[:100]}"
        if name not in known:
            names = ", ".join(sorted(known))
            raise Invalid(
                f"There is no resource {name[:100]!r}.",
                field=path,
                hint=f"The server declares {names}."
                if names
                else "The server declares no resources; they are declared under `resources` in its herder.yaml.",
            )
        try:
            found[name] = known[name].parse(amount)
        except ValueError as error:
            message, hint = parts(error)
            raise Invalid(message, field=path, hint=hint) from None
    return found


def _gpu_share_milli(job: JobSubmission, where: str) -> int:
    if not 0 <= job.gpu <= GPUS_MAX or (job.gpu > 1 and job.gpu != int(job.gpu)):
        raise Invalid(
            f"{job.gpu} is not a valid number of GPUs.",
            field=f"{where}gpu",
            hint=f"Request a whole number up to {GPUS_MAX}, or a share of one GPU such as 0.25.",
        )
    return max(1, round(job.gpu * WHOLE_GPU)) if 0 < job.gpu < 1 else WHOLE_GPU


def _gpu_models(job: JobSubmission, where: str) -> tuple[str, ...]:
    models = tuple(sorted({each.strip() for each in job.gpu_model.split("|")} - {""}))
    if models and not job.gpu:
        raise Invalid(
            f"The job names the GPU model {' or '.join(models)} but requests no GPU.",
            field=f"{where}gpu",
            hint="Set gpu: 1.",
        )
    return models


def _toleration(given: dict[str, str], path: str) -> Toleration:
    unknown = set(given) - {"key", "value", "effect", "operator"}
    if unknown:
        raise Invalid(
            f"A toleration has no field {min(unknown)!r}.",
            field=path,
            hint="The fields are key, operator, value and effect.",
        )
    key, value, effect = given.get("key", ""), given.get("value"), given.get("effect")
    operator = given.get("operator", "Exists" if value is None else "Equal")
    if operator not in ("Equal", "Exists"):
        raise Invalid(
            f"{operator!r} is not an operator of a toleration.",
            field=path,
            hint="Choose one of Equal, Exists.",
        )
    if operator == "Exists" and value is not None:
        raise Invalid(
            "A toleration with the operator Exists has no value.",
            field=path,
            hint="Remove the value, or set operator: Equal.",
        )
    if operator == "Equal" and value is None:
        value = ""  # as in Kubernetes
    try:
        return Toleration(key=key, value=value, effect=TaintEffect(effect) if effect else None)
    except ValueError:
        names = ", ".join(each.value for each in TaintEffect)
        raise Invalid(
            f"{effect!r} is not a taint effect.", field=path, hint=f"Choose one of {names}."
        ) from None


def _affinity(job: JobSubmission, where: str, *, contained: bool) -> Affinity:
    """One term: all that is given must hold, and of one in a container that there is an engine."""
    term = [Expression(key=CONTAINERS, operator=Operator.EXISTS)] if contained else []
    for number, given in enumerate(job.affinity):
        made = Expression(key=given.key, operator=Operator(given.operator), values=tuple(given.values))
        wrong = fault(made)
        if wrong is not None:
            raise Invalid(
                wrong,
                field=f"{where}affinity[{number}]",
                hint="Expressions are written as in the node affinity of Kubernetes.",
            )
        term.append(made)
    return Affinity(required=(tuple(term),))


def _remember(core: "Core", job_class: JobClass) -> ClassId:
    core.state.projects.setdefault(job_class.user, set()).add(job_class.project)
    changes = Changes()
    class_id = class_id_of(core.state, changes, job_class)
    core.gather(changes)
    return class_id
