"""The secrets that a job names: whether they exist and may be used by it. Called by `submission.py` for jobs that name any, also in dry runs.

A job uses secrets of its own user and of its own project. Who submits for somebody else (a member who adds jobs to another's batch) can
use those of the project only.
"""

from msgspec import structs

from herder.control.access.access_check import OF_KIND, check
from herder.control.access.secrets import NAME, NAME_HINT, PROJECT, USER, SecretKey, thing_of
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.bounds.limits import INPUT_NAME_BYTES, SECRETS_PER_JOB, check_count, check_env
from herder.control.kernel.core import Core
from herder.model.ids import UserName
from herder.model.permissions import Action, Kind, Principal, Verdict, may
from herder.model.stored.service_records import SecretRecord
from herder.wire.api.work import JobSubmission
from herder.wire.file_names import file_and_folder, parts_of
from herder.wire.worker.exchange import SecretUse

_OWN_PREFIX = "HERDER_"


def with_secrets(
    core: Core, who: Principal, user: UserName, project: str, job: JobSubmission, where: str
) -> JobSubmission:
    """The job with each secret's scope written down, so that a later secret of the same name is not taken for it. Raises Invalid."""
    check(who, Action.CREATE, OF_KIND[Kind.SECRET])
    check_count(len(job.secrets), SECRETS_PER_JOB, f"{where}secrets")
    _check_places(job, where)
    found = [
        _resolved(core, who, user, project, use, f"{where}secrets[{number}]")
        for number, use in enumerate(job.secrets)
    ]
    return structs.replace(job, secrets=found)


def _check_places(job: JobSubmission, where: str) -> None:
    names = [use.env for use in job.secrets if use.env]
    files = [use.file for use in job.secrets if use.file]
    check_env(names, len(job.env) + len(names), f"{where}secrets")
    for number, use in enumerate(job.secrets):
        path = f"{where}secrets[{number}]"
        if not NAME.fullmatch(use.name):
            raise Invalid(
                f"{use.name[:70]!r} is not a valid name of a secret.", field=f"{path}.name", hint=NAME_HINT
            )
        if bool(use.env) == bool(use.file):
            raise Invalid(
                f"Secret {use.name} must become a variable or a file.",
                field=path,
                hint="Set one of env and file: {name: db, env: DB_PASSWORD} or {name: key, file: keys/id}.",
            )
        if use.env.startswith(_OWN_PREFIX) or use.env in job.env or names.count(use.env) > 1:
            raise Invalid(
                f"The variable {use.env} is already set by {'Herder' if use.env.startswith(_OWN_PREFIX) else 'the job'}.",
                field=f"{path}.env",
                hint="Use another name for the secret's variable.",
            )
        if use.file and (
            parts_of(use.file) is None or len(use.file.encode(errors="replace")) > INPUT_NAME_BYTES
        ):
            raise Invalid(
                f"{use.file[:50]!r} is not a valid file name.",
                field=f"{path}.file",
                hint=f"Use a relative path of 1 to {INPUT_NAME_BYTES} bytes without '..', such as keys/id.",
            )
    twice = file_and_folder(files) or next((each for each in files if files.count(each) > 1), None)
    if twice is not None:
        raise Invalid(
            f"Two secrets of the job need the path {twice[:50]}.",
            field=f"{where}secrets",
            hint="Rename one of the files.",
        )


def _resolved(
    core: Core, who: Principal, user: UserName, project: str, use: SecretUse, path: str
) -> SecretUse:
    known, scopes = core.directory.secrets, (use.scope,) if use.scope else (USER, PROJECT)
    for scope in scopes:
        key: SecretKey = (scope, str(user) if scope == USER else project, use.name)
        record = known.get(key)
        if record is not None and _may_use(core, who, user, key):
            _check_value(core, record, use, path)
            return structs.replace(use, scope=scope)
    owners = {USER: f"user {user}", PROJECT: f"project {project}"}
    raise Invalid(
        f"There is no secret {use.name} of {' or '.join(owners[scope] for scope in scopes)} that {who.user} may use.",
        field=f"{path}.name",
        hint=f"`herder secret list` shows your secrets; `herder secret create {use.name}` creates one.",
    )


def _may_use(core: Core, who: Principal, user: UserName, key: SecretKey) -> bool:
    return may(who, Action.CREATE, thing_of(key)) is Verdict.ALLOWED and user_may(core, user, key)


def user_may(core: Core, user: UserName, key: SecretKey) -> bool:
    """Whether attempts of this user's jobs get it: asked again for each attempt, since memberships end."""
    if key[0] == USER:
        return key[1] == user
    roles = core.directory.members.get(user, {})
    return (
        key[1] in roles
        and may(Principal(user, roles[key[1]], roles), Action.CREATE, thing_of(key)) is Verdict.ALLOWED
    )


def _check_value(core: Core, record: SecretRecord, use: SecretUse, path: str) -> None:
    ring = core.settings.secret_keys
    if ring is None or not ring.has(record.key_id):
        raise Invalid(
            f"Secret {use.name} cannot be used: the server does not have the key with which it is encrypted.",
            field=f"{path}.name",
            hint=f"Set its value again with `herder secret rotate {use.name}`.",
        )
    if use.env and not record.text:
        raise Invalid(
            f"Secret {use.name} has bytes that a variable cannot hold.",
            field=f"{path}.env",
            hint="Use it as a file: {name: " + use.name + ", file: " + use.name + "}.",
        )
