"""Classes of jobs that are refused: no pool can run them, or there are too many. Called by `classes.py`."""

from typing import TYPE_CHECKING

from herder.control.kernel.bounds.errors import Invalid, Overloaded
from herder.decide.eligibility.admission import refusal
from herder.model.ids import UserName
from herder.model.values.resources import BUILT_IN
from herder.model.work.job import JobClass

if TYPE_CHECKING:
    from herder.control.kernel.core import Core

#: Classes of one server: each stays in memory, a kilobyte or two.
CLASSES_MAX = 200_000
#: Names of projects that one user may have jobs in, beside those with quotas: totals are kept for each for ever.
PROJECTS_MAX = 1_000
#: What of the job no pool has.
_FIELDS = {"selector": "selector", "taints": "tolerations", "gpu": "gpu", "containers": "image"}


def refuse_impossible(core: "Core", job_class: JobClass, where: str) -> None:
    refused = refusal(job_class, core.state.pools)
    if refused is not None:
        field = _FIELDS.get(refused.kind, "pool")
        if refused.kind == "too_large":
            short = refused.evidence[0][0].removeprefix("short_")
            keys = {each.name: each.key for each in BUILT_IN}
            field = keys.get(short, f"resources.{short}")
        raise Invalid(refused.text, field=f"{where}{field}", hint=refused.remedy)


def refuse_one_project_more(core: "Core", user: UserName, project: str, where: str) -> None:
    known = core.state.projects.get(user, set())
    if len(known) < PROJECTS_MAX or project in known:
        return
    if all(each.name != project for each in core.state.sharing.projects):
        raise Invalid(
            f"User {user} has jobs in {len(known):,} projects, the maximum.",
            field=f"{where}project",
            hint="Use an existing project; put what differs between batches into their attributes.",
        )


def refuse_classes_more(core: "Core", number: int) -> None:
    if len(core.state.classes) + number > CLASSES_MAX:
        raise Overloaded(
            f"The server has {CLASSES_MAX:,} job classes (user, project, size and policy), the maximum; this job needs a new one.",
            hint="Submit jobs with the same project, size and policy instead of a different one for each.",
        )
