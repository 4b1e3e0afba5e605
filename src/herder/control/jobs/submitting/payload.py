"""The payload of a job: command, environment, stdin and input files, checked and converted to their stored form.

Called by `submission.py` for each job, also in dry runs. Nothing here is kept.
"""

import re
from collections.abc import Iterator

import msgspec

from herder.control.jobs.submitting.data_checks import checked_data
from herder.control.kernel.bounds.errors import Invalid, TooLarge
from herder.control.kernel.bounds.limits import (
    INPUT_NAME_BYTES,
    INPUTS_COUNT,
    PAYLOAD_BYTES,
    PRELOAD_COUNT,
    SLEEP_MS_MAX,
    WORDS,
    check_count,
    check_env,
    check_word,
)
from herder.model.work.job import CONTAINER
from herder.wire.api.work import JobSubmission
from herder.wire.file_names import file_and_folder, parts_of
from herder.wire.worker.exchange import ContainerOptions, JobPayload, WarmPython

#: Of a folder's path, as Linux has it.
PATH_BYTES = 4_095
MOUNTS_COUNT = 32
IMAGE_CHARACTERS = 512
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_encode = msgspec.json.Encoder().encode


def payload_of(job: JobSubmission, where: str, user: str) -> str:
    if job.image or job.runtime == CONTAINER or job.container is not None:
        _check_container(job, where)
    elif job.runtime == "process" and not (job.command and job.command[0]):
        raise Invalid(
            "The job has no command.", field=f"{where}command", hint='Write a list such as ["echo", "hello"].'
        )
    if job.env:
        check_env(job.env, len(job.env), f"{where}env")
    if job.warm_python is not None:
        _check_warm_python(job, job.warm_python, f"{where}warm_python")
    if job.inputs or job.cwd or job.sleep_ms or len(job.command) > WORDS:
        _check_rare(job, where)
    payload = JobPayload(
        data=None if job.data is None else checked_data(job, where),
        command=job.command,
        env=job.env,
        stdin=job.stdin,
        inputs=job.inputs,
        cwd=job.cwd,
        sleep_ms=job.sleep_ms,
        image=job.image,
        container=job.container,
        warm_python=job.warm_python,
        user=user if job.warm_python is not None or (job.data is not None and job.data.inputs) else "",
        secrets=job.secrets,
        shred=job.shred,
    )
    data = _encode(payload)
    if len(data) > PAYLOAD_BYTES:
        raise TooLarge(
            f"The job's command, environment and inputs have {len(data):,} bytes; the maximum is {PAYLOAD_BYTES:,}.",
            field=f"{where}command",
            hint="Store large input where the job can download it.",
        )
    text = data.decode()
    if "\\u0000" in text and (field := _with_nul(job)):
        raise Invalid(
            f"{field} contains a NUL character.",
            field=where + field,
            hint="Remove it; programs cannot receive NUL characters.",
        )
    return text


def _with_nul(job: JobSubmission) -> str:
    """The field that holds a NUL; empty when it was only the text of one."""
    texts = {
        "command": job.command,
        "env": (*job.env, *job.env.values()),
        "stdin": (job.stdin,),
        "inputs": (*job.inputs, *job.inputs.values()),
        "cwd": (job.cwd,),
        "image": (job.image,),
        "container": tuple(_container_texts(job.container or ContainerOptions())),
    }
    return next((field for field, some in texts.items() if any("\x00" in text for text in some)), "")


def _container_texts(options: ContainerOptions) -> Iterator[str]:
    yield from (options.user, options.workdir, *(options.entrypoint or ()))
    for each in options.mounts:
        yield from (each.source, each.target)


def _check_container(job: JobSubmission, where: str) -> None:
    """What the engine would refuse, or take for something else than was meant."""
    options = job.container or ContainerOptions()
    if not job.image:
        raise Invalid(
            "The job has no image.",
            field=f"{where}image",
            hint="Write for example docker.io/library/debian:12.",
        )
    if job.runtime not in ("process", CONTAINER):
        raise Invalid(
            f"A job with an image cannot have the runtime {job.runtime}.",
            field=f"{where}runtime",
            hint="Remove the runtime.",
        )
    if len(job.image) > IMAGE_CHARACTERS or not _IMAGE.fullmatch(job.image):
        raise Invalid(
            f"{job.image[:80]!r} is not the name of an image.",
            field=f"{where}image",
            hint="Write NAME, NAME:TAG or NAME@DIGEST, such as docker.io/library/debian:12.",
        )
    if job.stdin:
        raise Invalid(
            "A job with an image has no stdin.", field=f"{where}stdin", hint="Send the text as an input file."
        )
    check_count(len(options.mounts), MOUNTS_COUNT, f"{where}container.mounts")
    for number, mount in enumerate(options.mounts):
        path = f"{where}container.mounts[{number}]"
        for name in ("source", "target"):
            _check_mounted(getattr(mount, name), f"{path}.{name}")
    for name, text in (("user", options.user), ("workdir", options.workdir)):
        if len(text.encode(errors="replace")) > PATH_BYTES or (
            name == "workdir" and text and not text.startswith("/")
        ):
            raise Invalid(
                f"{text[:50]!r} is not a valid {name} of a container.",
                field=f"{where}container.{name}",
                hint="A workdir is an absolute path; a user is NAME or UID:GID.",
            )
    check_count(len(options.entrypoint or ()), WORDS, f"{where}container.entrypoint")


def _check_warm_python(job: JobSubmission, options: WarmPython, field: str) -> None:
    if job.image or job.runtime != "process":
        raise Invalid(
            "Only a job of the runtime process can run in a warm interpreter.",
            field=field,
            hint="Remove warm_python.",
        )
    if len(job.command) < 2 or job.command[1].startswith("-"):
        raise Invalid(
            "The command of a job with warm_python must be a Python and a script, without options between them.",
            field=f"{field[: -len('warm_python')]}command",
            hint='Write for example ["python3", "call.py"], with call.py among the inputs.',
        )
    check_count(len(options.preload), PRELOAD_COUNT, f"{field}.preload")
    for name in options.preload:
        check_word(name, f"{field}.preload")
        if not all(part.isidentifier() for part in name.split(".")):
            raise Invalid(
                f"{name[:50]!r} is not the name of a Python module.",
                field=f"{field}.preload",
                hint="Write names such as numpy or concurrent.futures.",
            )


def _check_mounted(path: str, field: str) -> None:
    if (
        not path.startswith("/")
        or ":" in path
        or ".." in path.split("/")
        or len(path.encode(errors="replace")) > PATH_BYTES
    ):
        raise Invalid(
            f"{path[:50]!r} is not an absolute path without colons and '..'.",
            field=field,
            hint="Write for example {source: /data, target: /data, read_only: true}.",
        )


def _check_rare(job: JobSubmission, where: str) -> None:
    """What few jobs have."""
    if not 0 <= job.sleep_ms <= SLEEP_MS_MAX:
        raise Invalid(f"sleep_ms must be between 0 and {SLEEP_MS_MAX:,}.", field=f"{where}sleep_ms")
    if job.cwd and (not job.cwd.startswith("/") or len(job.cwd.encode(errors="replace")) > PATH_BYTES):
        raise Invalid(
            f"{job.cwd[:50]!r} is not an absolute path of a folder.",
            field=f"{where}cwd",
            hint=f"Write a path that begins with / and has at most {PATH_BYTES:,} bytes.",
        )
    check_count(len(job.command), WORDS, f"{where}command")
    check_count(len(job.inputs), INPUTS_COUNT, f"{where}inputs")
    for name in job.inputs:
        if parts_of(name) is None or len(name.encode(errors="replace")) > INPUT_NAME_BYTES:
            raise Invalid(
                f"{name[:50]!r} is not a valid file name.",
                field=f"{where}inputs",
                hint=f"Use a relative path of 1 to {INPUT_NAME_BYTES} bytes without '..', such as data/in.txt.",
            )
    twice = file_and_folder(job.inputs)
    if twice is not None:
        raise Invalid(
            f"The input file {twice[:50]!r} is also the folder of another input file.",
            field=f"{where}inputs",
            hint="Rename one of them.",
        )
