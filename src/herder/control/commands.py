"""`Commands`: the port through which API and dashboard change anything and authenticate their callers.

Each method takes who asks, checks access inside, fills `changes` and answers; it is all or nothing, and the caller commits before
it replies. Those that are `async` look something up or commit by themselves. No face looks past it into `Core`.
"""

from herder.control.access import secrets, sessions, users
from herder.control.access.access_check import OF_KIND, check
from herder.control.access.credential_commands import CredentialCommands
from herder.control.alerts.alert_commands import AlertCommands
from herder.control.budgets.commands import BudgetCommands
from herder.control.costs.cost_commands import CostCommands
from herder.control.costs.recommendation_commands import RecommendationCommands
from herder.control.drivers import driver_actions, sweep_decisions
from herder.control.jobs import callbacks, documented, pipelines, schedules
from herder.control.jobs.attempts.attempt_environment import attempt_of, user_of
from herder.control.jobs.changes import cancellation, deleting, groups, holding, retrying
from herder.control.jobs.changes.resubmission import submission_of
from herder.control.jobs.submitting import submission
from herder.control.kernel.core import Core
from herder.control.pools import adding, pool_actions
from herder.control.rates.rate_commands import RateCommands
from herder.control.reads import planned_state
from herder.control.reads.work.jobs import batch_view, effective_state, job_row, job_with_marks
from herder.control.reads.work.marks import NO_MARK
from herder.control.usage.usage_commands import UsageCommands
from herder.control.workers import joining, worker_actions
from herder.engine.jobs.batch_end import cancel_batch
from herder.engine.memory.state import BatchLife
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.service_records import ScheduleRecord
from herder.model.values.phrases import counted
from herder.wire.api.documented import Completion, DocumentedSubmission
from herder.wire.api.drivers import DriverAction, SweepAnswer, SweepDecision
from herder.wire.api.people import (
    JoinTokenCreate,
    JoinTokenCreated,
    UserCreate,
    UserSet,
    UserView,
)
from herder.wire.api.resources import (
    ApplyAnswer,
    ApplyRequest,
    Result,
    ScaleAnswer,
    ScaleRequest,
    WorkerAction,
)
from herder.wire.api.schedules import ScheduleCreate
from herder.wire.api.work import BatchCreate, JobsAdd, JobsAdded, JobSubmission
from herder.wire.pipelines import PipelineSet, PipelineView

#: What can be done to a worker.
WORKER_VERBS = worker_actions.VERBS
#: How long a browser stays signed in.
SESSION_S = sessions.SESSION_S


class Commands(
    CredentialCommands,
    CostCommands,
    RecommendationCommands,
    RateCommands,
    UsageCommands,
    AlertCommands,
    BudgetCommands,
):
    def __init__(self, core: Core) -> None:
        self._core = core

    # --- people

    def create_user(self, who: Principal, body: UserCreate, changes: Changes, now_ms: int) -> UserView:
        return users.create_user(self._core, who, body, changes, now_ms)

    def set_user(self, who: Principal, name: str, body: UserSet, changes: Changes, now_ms: int) -> UserView:
        return users.set_user(self._core, who, name, body, changes, now_ms)

    def delete_user(
        self, who: Principal, name: str, changes: Changes, now_ms: int, *, cancel_jobs: bool, dry_run: bool
    ) -> Result:
        done = users.delete_user(self._core, who, name, changes, now_ms, dry_run=dry_run)
        if not dry_run:
            secrets.delete_all_of(self._core, name, changes, now_ms, who.actor)
            schedules.delete_all_of(self._core, name, changes, now_ms, who.actor)
            pipelines.delete_all_of(self._core, name, changes, now_ms, who.actor)
        if not cancel_jobs:
            return done
        core = self._core
        batches = [
            batch for batch in core.state.batches.values() if batch.user == name and not batch.cancelled
        ]
        if not dry_run:
            for batch in batches:
                why = f"user {name} was deleted by {who.user}"
                cancel_batch(core.state, changes, batch, now_ms, actor=who.actor, why=why)
        single = cancellation.cancel_single_jobs(core, who, name, changes, now_ms, dry_run=dry_run)
        cancelled = f"{counted(len(batches), 'batch')} and {counted(single, 'single job')}"
        text = f"{done.text} {cancelled} {'would be' if dry_run else 'were'} cancelled."
        return Result(object=done.object, text=text, dry_run=dry_run)

    def create_join_token(
        self,
        who: Principal,
        pool: str,
        body: JoinTokenCreate,
        changes: Changes,
        now_ms: int,
        *,
        key: str | None,
    ) -> JoinTokenCreated:
        return joining.create_join_token(self._core, who, pool, body, changes, now_ms, key=key)

    def made_join_token(self, who: Principal, pool: str, body: JoinTokenCreate, key: str) -> JoinTokenCreated:
        """For a repeated request."""
        return joining.made_join_token(self._core, who, pool, body, key)

    # --- work

    def create_batch(self, who: Principal, body: BatchCreate, changes: Changes, now_ms: int) -> BatchLife:
        return submission.create(self._core, who, body, changes, now_ms)

    async def find_batch(self, who: Principal, batch: int) -> None:
        """Before a batch is changed. Raises NotKnown; whether it has ended, the change itself says."""
        check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
        if BatchId(batch) not in self._core.state.batches:
            await batch_view(self._core, who, batch)

    def add_jobs(self, who: Principal, batch: int, body: JobsAdd, changes: Changes, now_ms: int) -> JobsAdded:
        return submission.add(self._core, who, batch, body, changes, now_ms)

    def commit_batch(self, who: Principal, batch: int, changes: Changes, now_ms: int) -> BatchLife:
        return submission.commit(self._core, who, batch, changes, now_ms)

    def close_batch(self, who: Principal, batch: int, changes: Changes, now_ms: int) -> Result:
        text = submission.close(self._core, who, batch, changes, now_ms)
        return Result(object=f"batch/{batch}", text=text)

    def cancel_batch(
        self, who: Principal, batch: int, changes: Changes, now_ms: int, *, message: str, dry_run: bool
    ) -> Result:
        text = submission.cancel(self._core, who, batch, changes, now_ms, message=message, dry_run=dry_run)
        return Result(object=f"batch/{batch}", text=text, dry_run=dry_run)

    def cancel_group(
        self,
        who: Principal,
        batch: int,
        path: str,
        changes: Changes,
        now_ms: int,
        *,
        message: str,
        dry_run: bool,
    ) -> Result:
        text = groups.cancel(self._core, who, batch, path, changes, now_ms, message=message, dry_run=dry_run)
        return Result(object=f"batch/{batch}", text=text, dry_run=dry_run)

    def try_batch(self, who: Principal, body: BatchCreate) -> Result:
        """The dry run of `create_batch`: the same refusals, and nothing is kept. So are the two below."""
        return submission.try_create(self._core, who, body)

    def try_jobs(self, who: Principal, batch: int, body: JobsAdd) -> Result:
        return submission.try_add(self._core, who, batch, body)

    def try_job(self, who: Principal, body: JobSubmission) -> Result:
        return submission.try_submit(self._core, who, body)

    def submit_job(self, who: Principal, body: JobSubmission, changes: Changes, now_ms: int) -> JobsAdded:
        return submission.submit(self._core, who, body, changes, now_ms)

    def submit_documented(
        self, who: Principal, body: DocumentedSubmission, changes: Changes, now_ms: int
    ) -> JobsAdded:
        return documented.submit(self._core, who, body, changes, now_ms)

    def job_of_attempt(self, token: str) -> JobId:
        """Of the attempt that a token was made for. Raises Unauthenticated."""
        return attempt_of(self._core, token)[0]

    def user_of_attempt(self, token: str) -> Principal:
        """Whose attempt this token was made for, with the rights of a viewer. Raises Unauthenticated."""
        return user_of(self._core, token)

    async def complete_attempt(self, token: str, job: str, body: Completion) -> str:
        """An attempt says that it has ended; its status. Commits by itself. Raises Unauthenticated and Conflict."""
        return await documented.complete(self._core, token, job, body)

    async def job_again(self, who: Principal, job: int) -> JobSubmission:
        """One that has ended, to be submitted again. Raises Refused."""
        check(who, Action.CREATE, OF_KIND[Kind.JOB])
        row, marks = await job_with_marks(self._core, who, job)
        check(who, Action.CHANGE, submission.job_thing(row.id, row.user, row.project))
        again = submission_of(self._core, row, effective_state(self._core, row))
        again.attributes = marks.get(row.range, NO_MARK).attributes
        return again

    async def find_job(self, who: Principal, job: int) -> tuple[JobId, ClassId, BatchId | None]:
        """Before a job is cancelled: its class and batch. Raises NotKnown."""
        check(who, Action.CHANGE, OF_KIND[Kind.JOB])
        row = await job_row(self._core, who, job)
        batch = BatchId(row.batch_id) if row.batch_id is not None else None
        return JobId(row.id), ClassId(row.class_id), batch

    def cancel_job(
        self,
        who: Principal,
        found: tuple[JobId, ClassId, BatchId | None],
        changes: Changes,
        now_ms: int,
        *,
        message: str,
        dry_run: bool,
    ) -> Result:
        text = cancellation.cancel_job(
            self._core, who, *found, changes, now_ms, message=message, dry_run=dry_run
        )
        return Result(object=f"job/{found[0]}", text=text, dry_run=dry_run)

    def hold_batch(
        self, who: Principal, batch: int, changes: Changes, now_ms: int, *, message: str, hold: bool
    ) -> Result:
        """`hold`: else release it."""
        change = holding.hold_batch if hold else holding.release_batch
        text = change(self._core, who, batch, changes, now_ms, message=message)
        return Result(object=f"batch/{batch}", text=text)

    def hold_job(
        self,
        who: Principal,
        found: tuple[JobId, ClassId, BatchId | None],
        changes: Changes,
        now_ms: int,
        *,
        message: str,
        hold: bool,
        dry_run: bool = False,
    ) -> Result:
        change = holding.hold_job if hold else holding.release_job
        text = change(self._core, who, *found, changes, now_ms, message=message, dry_run=dry_run)
        return Result(object=f"job/{found[0]}", text=text, dry_run=dry_run)

    async def find_ended(self, who: Principal, batch: int, group: str = "") -> retrying.Ended:
        """Before failed jobs of a batch, or of one of its groups, are retried. Raises Refused."""
        return await retrying.find(self._core, who, batch, group)

    def retry_batch(
        self, who: Principal, found: retrying.Ended, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> Result:
        text = retrying.retry_failed(self._core, who, found, changes, now_ms, dry_run=dry_run)
        return Result(object=f"batch/{found.row.id}", text=text, dry_run=dry_run)

    async def find_callback(self, who: Principal, batch: int, group: str = "") -> callbacks.Sent:
        """Before the callback of a batch, or of one of its groups, is sent again. Raises Refused."""
        check(who, Action.CHANGE, OF_KIND[Kind.BATCH])
        view = await batch_view(self._core, who, batch)
        check(who, Action.CHANGE, submission.batch_thing(batch, view.user, view.project))
        return await callbacks.find(self._core, batch, group)

    def retry_callback(self, who: Principal, found: callbacks.Sent, changes: Changes, now_ms: int) -> Result:
        text = callbacks.retry(self._core, who, found, changes, now_ms)
        return Result(object=f"batch/{found.row.batch_id}", text=text)

    async def find_stored(self, who: Principal, batch: int) -> deleting.Stored | None:
        """Before a batch is deleted. Raises Refused."""
        return await deleting.find(self._core, who, batch)

    def delete_batch(
        self,
        who: Principal,
        batch: int,
        found: deleting.Stored | None,
        changes: Changes,
        now_ms: int,
        *,
        message: str,
        dry_run: bool,
    ) -> Result:
        text = deleting.delete(
            self._core, who, BatchId(batch), found, changes, now_ms, message=message, dry_run=dry_run
        )
        return Result(object=f"batch/{batch}", text=text, dry_run=dry_run)

    def create_schedule(
        self, who: Principal, body: ScheduleCreate, changes: Changes, now_ms: int
    ) -> ScheduleRecord:
        return schedules.create(self._core, who, body, changes, now_ms)

    def change_schedule(self, who: Principal, name: str, verb: str, changes: Changes, now_ms: int) -> Result:
        """`verb`: pause, resume or delete."""
        change = {"pause": schedules.pause, "resume": schedules.resume, "delete": schedules.delete}[verb]
        return Result(object=f"schedule/{name}", text=change(self._core, who, name, changes, now_ms))

    def run_schedule(self, who: Principal, name: str, changes: Changes, now_ms: int) -> JobsAdded:
        return schedules.run(self._core, who, name, changes, now_ms)

    def set_pipeline(
        self, who: Principal, name: str, body: PipelineSet, changes: Changes, now_ms: int
    ) -> PipelineView:
        return pipelines.set_config(self._core, who, name, body, changes, now_ms)

    def delete_pipeline(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        return pipelines.delete(self._core, who, name, changes, now_ms)

    # --- the fleet

    def apply(
        self, who: Principal, body: ApplyRequest, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> ApplyAnswer:
        return pool_actions.apply(self._core, who, body, changes, now_ms, dry_run=dry_run)

    def scale_pool(
        self, who: Principal, name: str, body: ScaleRequest, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> ScaleAnswer:
        return adding.scale(self._core, who, name, body, changes, now_ms, dry_run=dry_run)

    def set_frozen(
        self,
        who: Principal,
        name: str,
        frozen: bool,
        changes: Changes,
        now_ms: int,
        *,
        message: str,
        dry_run: bool = False,
    ) -> Result:
        return pool_actions.set_frozen(
            self._core, who, name, frozen, changes, now_ms, message=message, dry_run=dry_run
        )

    def delete_pool(
        self, who: Principal, name: str, changes: Changes, now_ms: int, *, dry_run: bool, message: str
    ) -> Result:
        return pool_actions.delete(self._core, who, name, changes, now_ms, dry_run=dry_run, message=message)

    def freeze_driver(
        self, who: Principal, name: str, body: DriverAction, changes: Changes, now_ms: int
    ) -> Result:
        return driver_actions.freeze(self._core, who, name, body, changes, now_ms)

    def unfreeze_driver(
        self, who: Principal, name: str, body: DriverAction, changes: Changes, now_ms: int
    ) -> Result:
        return driver_actions.unfreeze(self._core, who, name, body, changes, now_ms)

    def forget_driver(
        self, who: Principal, name: str, body: DriverAction, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> Result:
        return driver_actions.forget(self._core, who, name, body, changes, now_ms, dry_run=dry_run)

    def decide_sweep(
        self, who: Principal, name: str, body: SweepDecision, changes: Changes, now_ms: int, *, dry_run: bool
    ) -> SweepAnswer:
        return sweep_decisions.decide(self._core, who, name, body, changes, now_ms, dry_run=dry_run)

    def act_on_worker(
        self,
        who: Principal,
        name: str,
        verb: str,
        body: WorkerAction,
        changes: Changes,
        now_ms: int,
        *,
        dry_run: bool,
    ) -> Result:
        """`verb`: one of `fleet.VERBS`."""
        return worker_actions.act(self._core, who, name, verb, body, changes, now_ms, dry_run=dry_run)

    # --- what a dry run depends on

    def state_of_scaling(self, answer: ScaleAnswer) -> object:
        return planned_state.of_scaling(self._core, answer)

    def state_of_worker(self, name: str, answer: Result) -> object:
        return planned_state.of_worker(self._core, name, answer)

    def state_of_retry(self, found: retrying.Ended, answer: Result) -> object:
        return planned_state.of_retry(found, answer)

    def state_of_job(self, job: JobId, answer: Result) -> object:
        return planned_state.of_job(self._core, job, answer)
