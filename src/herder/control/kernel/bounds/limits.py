"""Every limit on what users send, in one table. `docs/limits.md` shows it, with those of other modules (a test compares); the modules of
`control/` enforce it.

A limit is a constant here, or a setting of the server whose default stands here. The functions below refuse with 422 or 413 and
name the field.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from herder.control.kernel.bounds.errors import Invalid, TooLarge
from herder.wire.data import URL_BYTES
from herder.wire.file_names import FILE_NAME_BYTES

#: Jobs in one call. Ten thousand rows are one commit of about 50 ms.
JOBS_PER_CALL = 10_000
#: Named parents in one call: 200,000 are checked in about 0.2 s, during which the server does nothing else.
PARENTS_PER_CALL = 200_000
#: One job's command, environment, input and small files together, as JSON.
PAYLOAD_BYTES = 256 * 1024
#: Jobs that one call of `herder batch retry` tries again: those that failed, and those that were skipped because of them.
RETRIED_FAILED = 10_000
RETRIED_SKIPPED = 100_000
#: What a job that only pretends to work may pretend: a year.
SLEEP_MS_MAX = 366 * 86_400_000
WORDS = 10_000
ENV_COUNT = 1_000
ENV_NAME_BYTES = 256
DATA_COUNT = 100
INPUTS_COUNT = 100
#: Modules that a warm interpreter imports.
PRELOAD_COUNT = 50
INPUT_NAME_BYTES = 256
SELECTOR_COUNT = 50
TOLERATIONS_COUNT = 50
EXPRESSIONS_COUNT = 64
EXPRESSION_VALUES = 64
#: Keys and values of selector, affinity and tolerations together: they are part of the job's class, which stays in memory.
REQUIREMENTS_BYTES = 4 * 1024
#: Keys and values of labels, selectors, taints and tolerations, names of pools, templates, runtimes, GPU models; amounts as text.
WORD_LENGTH = 253
NAME_LENGTH = 200
MESSAGE_LENGTH = 2_000
NOTE_LENGTH = 200
ATTRIBUTES_COUNT = 64
ATTRIBUTE_KEY_BYTES = 128
ATTRIBUTE_VALUE_BYTES = 4_096
ATTRIBUTES_BYTES = 16 * 1024
JOB_ATTRIBUTES_COUNT = 32
JOB_ATTRIBUTE_KEY_BYTES = 63
JOB_ATTRIBUTE_VALUE_BYTES = 256
#: Job groups of a batch, each of which stays in memory while the batch runs; how deep they are nested; characters of a name.
GROUPS_PER_BATCH = 10_000
GROUP_DEPTH = 5
GROUP_NAME = 63
FAILURES_MAX = PARALLEL_MAX = 1_000_000_000
#: Settings of a pool, and of how the fleet is shared, in one call.
SETTINGS_DEPTH = 32
SETTINGS_VALUES = 200_000
USERS_MAX = 10_000
#: Tokens of one user that can be used.
TOKENS_LIVE = 100
#: Tokens of one user with those that are revoked or over, which are kept for 30 days.
TOKENS_KEPT = 1_000
TOKEN_LONGEST_S = 10 * 366 * 86_400
#: The value of one secret; secrets of one user or project, and of all. Their names are in memory, their values in the store.
SECRET_BYTES = 64 * 1024
SECRETS_PER_OWNER = 100
SECRETS_MAX = 10_000
#: That one job uses.
SECRETS_PER_JOB = 32
#: Signed-in browsers of one token; the oldest is signed out.
SESSIONS_PER_TOKEN = 20
#: Outputs of jobs that are followed at a time, in all and by one user.
FOLLOWERS_MAX = 500
FOLLOWERS_EACH_MAX = 50
#: Default of the server's setting `log_bytes_per_attempt`.
LOG_BYTES_PER_ATTEMPT = 2**20
#: A worker repeats what it was not told the receipt of: so many times the limit is taken from it, and room for what it says of itself.
LOG_TIMES_MAX = 4
LOG_NOTES_BYTES = 64 * 1024
#: Defaults of the server's settings `queued_jobs_per_user` and `queued_bytes_per_user`.
QUEUED_JOBS_PER_USER = 5_000_000
QUEUED_BYTES_PER_USER = 4 * 2**30

#: What is limited, the limit in words, and what answers beyond it: the rows of `docs/limits.md`.
TABLE: tuple[tuple[str, str, int], ...] = (
    ("jobs in one call", f"{JOBS_PER_CALL:,}", 413),
    ("parents named in one call, all jobs together", f"{PARENTS_PER_CALL:,}", 413),
    ("command, env, stdin and inputs of a job, as JSON", f"{PAYLOAD_BYTES // 1024} KiB", 413),
    ("command: words", f"{WORDS:,}", 422),
    ("env: variables", f"{ENV_COUNT:,}", 422),
    ("env: a name", f"{ENV_NAME_BYTES} bytes, not empty, without =", 422),
    ("inputs: files", f"{INPUTS_COUNT:,}", 422),
    ("inputs: a name", f"{INPUT_NAME_BYTES} bytes, {FILE_NAME_BYTES} bytes between two slashes", 422),
    ("warm_python: modules", f"{PRELOAD_COUNT}", 422),
    ("data: inputs, outputs by URL", f"{DATA_COUNT} each", 422),
    ("data: a URL, a path", f"{URL_BYTES:,}, {INPUT_NAME_BYTES} bytes", 422),
    ("selector: labels", f"{SELECTOR_COUNT}", 422),
    ("tolerations", f"{TOLERATIONS_COUNT}", 422),
    ("affinity: expressions", f"{EXPRESSIONS_COUNT}", 422),
    ("affinity: values of an expression", f"{EXPRESSION_VALUES}", 422),
    ("selector, affinity and tolerations of a job together", f"{REQUIREMENTS_BYTES // 1024} KiB", 413),
    ("keys and values of labels, selector, affinity, tolerations; pool, runtime, gpu_model, cpu, memory, disk", f"{WORD_LENGTH} characters", 422),
    ("key of a job, name of a batch or project", f"{NAME_LENGTH} characters", 422),
    ("message of a cancel, drain, freeze and so on; reason of a scale", f"{MESSAGE_LENGTH:,} characters", 422),
    ("note of a token", f"{NOTE_LENGTH} characters", 422),
    ("parallel_max of a batch", f"{PARALLEL_MAX:,}", 422),
    ("attributes of a batch", f"{ATTRIBUTES_COUNT}", 422),
    ("attributes: a key", f"{ATTRIBUTE_KEY_BYTES} bytes", 422),
    ("attributes: a value", f"{ATTRIBUTE_VALUE_BYTES:,} bytes", 422),
    ("attributes of a batch together", f"{ATTRIBUTES_BYTES // 1024} KiB", 413),
    ("attributes of a job", f"{JOB_ATTRIBUTES_COUNT}", 422),
    ("attributes of a job: a key", f"{JOB_ATTRIBUTE_KEY_BYTES} bytes", 422),
    ("attributes of a job: a value", f"{JOB_ATTRIBUTE_VALUE_BYTES} bytes", 422),
    ("job groups of a batch", f"{GROUPS_PER_BATCH:,}", 413),
    ("job groups: nesting", f"{GROUP_DEPTH} levels", 422),
    ("job groups: a name", f"{GROUP_NAME} characters", 422),
    ("settings in herder apply: nesting", f"{SETTINGS_DEPTH} levels", 422),
    ("settings in herder apply: values in one call", f"{SETTINGS_VALUES:,}", 413),
    ("users", f"{USERS_MAX:,}", 429),
    ("valid tokens of a user", f"{TOKENS_LIVE}", 429),
    ("tokens of a user, including those that were revoked or expired in the last 30 days", f"{TOKENS_KEPT:,}", 429),
    ("the value of a secret", f"{SECRET_BYTES // 1024} KiB", 413),
    ("secrets of a user or project, of all together", f"{SECRETS_PER_OWNER}, {SECRETS_MAX:,}", 429),
    ("secrets of a job", f"{SECRETS_PER_JOB}", 422),
    ("outputs of jobs followed at the same time: by one user, in total", f"{FOLLOWERS_EACH_MAX}, {FOLLOWERS_MAX}", 429),
    ("jobs of one user that have not started; each batch that has not ended counts as 100 (setting `queued_jobs_per_user`)", f"{QUEUED_JOBS_PER_USER:,}", 429),
    ("bytes of their commands, env and inputs, and of what each new kind of job requires of its worker (setting `queued_bytes_per_user`)", f"{QUEUED_BYTES_PER_USER // 2**30} GiB", 429),
)  # fmt: skip


def check_name(name: str, path: str) -> None:
    if len(name) > NAME_LENGTH or (name and not name.isprintable()):
        raise Invalid(
            f"{name[:50]!r} is not a valid name.",
            field=path,
            hint=f"Use at most {NAME_LENGTH} printable characters.",
        )


def check_word(text: object, path: str) -> None:
    """A short text that is shown, compared and stored."""
    if isinstance(text, str) and len(text) > WORD_LENGTH:
        raise Invalid(f"The text has {len(text):,} characters; the maximum is {WORD_LENGTH}.", field=path)


def check_message(text: str, path: str = "message", most: int = MESSAGE_LENGTH) -> None:
    if len(text) > most:
        raise Invalid(f"The text has {len(text):,} characters; the maximum is {most:,}.", field=path)


def check_count(count: int, most: int, path: str) -> None:
    if count > most:
        raise Invalid(f"There are {count:,} entries; the maximum is {most:,}.", field=path)


def check_between(value: int, low: int, high: int, path: str) -> None:
    if not low <= value <= high:
        raise Invalid(f"{value} is not between {low} and {high}.", field=path)


def check_words(pairs: Mapping[str, object], most: int, path: str) -> None:
    """Labels and the like."""
    check_count(len(pairs), most, path)
    for key, value in pairs.items():
        check_word(key, path)
        check_word(value, path)


def check_requirements(total: int, where: str) -> None:
    """`total`: bytes of all keys and values that a job requires of its worker."""
    if total > REQUIREMENTS_BYTES:
        raise TooLarge(
            f"The job's selector, affinity and tolerations have {total:,} bytes together; the maximum is {REQUIREMENTS_BYTES:,}.",
            field=f"{where}affinity",
            hint="Use fewer or shorter values, for example one label in place of several.",
        )


#: Of attributes: how many, bytes of a key and of a value.
OF_BATCH = (ATTRIBUTES_COUNT, ATTRIBUTE_KEY_BYTES, ATTRIBUTE_VALUE_BYTES)
OF_JOB = (JOB_ATTRIBUTES_COUNT, JOB_ATTRIBUTE_KEY_BYTES, JOB_ATTRIBUTE_VALUE_BYTES)


def check_attributes(
    attributes: Mapping[str, str], path: str = "attributes", most_of: tuple[int, int, int] = OF_BATCH
) -> None:
    check_count(len(attributes), most_of[0], path)
    total = 0
    for key, value in attributes.items():
        sizes = len(key.encode(errors="replace")), len(value.encode(errors="replace"))
        for size, most, what in zip(sizes, most_of[1:], ("key", "value"), strict=True):
            if size > most:
                raise Invalid(
                    f"The {what} has {size:,} bytes; the maximum is {most:,}.", field=f"{path}.{key[:50]}"
                )
        total += sum(sizes)
    if total > ATTRIBUTES_BYTES:
        raise TooLarge(
            f"The attributes have {total:,} bytes together; the maximum is {ATTRIBUTES_BYTES:,}.",
            field=path,
            hint="Store large values elsewhere and put their address into an attribute.",
        )


def check_env(names: Iterable[str], count: int, path: str) -> None:
    check_count(count, ENV_COUNT, path)
    for name in names:
        if not name or "=" in name:
            raise Invalid(
                f"{name[:50]!r} is not a valid name of an environment variable.",
                field=path,
                hint="A name must not be empty and must not contain =.",
            )
        if len(name.encode(errors="replace")) > ENV_NAME_BYTES:
            raise Invalid(
                f"The name of an environment variable has more than {ENV_NAME_BYTES} bytes.", field=path
            )


def check_settings(plain: Any, path: str) -> None:
    """Nesting and number of values, before anything walks through them."""
    level, seen = [plain], 0
    for _ in range(SETTINGS_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        seen += len(below)
        if seen > SETTINGS_VALUES:
            raise TooLarge(
                f"The settings have more than {SETTINGS_VALUES:,} values.",
                field=path,
                hint="Apply the settings in several calls.",
            )
        if not below:
            return
        level = below
    raise Invalid(f"The settings are nested more than {SETTINGS_DEPTH} levels deep.", field=path)
