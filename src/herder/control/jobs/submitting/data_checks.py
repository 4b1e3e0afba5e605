"""Checks of a job's inputs and outputs by URL. Called by `payload.py`, also in dry runs. Nothing here is kept."""

import re

from msgspec import structs

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.bounds.limits import DATA_COUNT, INPUT_NAME_BYTES, check_count
from herder.control.kernel.secret_tokens import new_mark
from herder.model.work.job import CONTAINER
from herder.wire.api.work import JobSubmission
from herder.wire.data import DataPath, JobData, is_pattern, path_fault, read_url
from herder.wire.patterns import Pattern

_SUM = re.compile(r"[0-9a-fA-F]{64}")


def checked_data(job: JobSubmission, where: str) -> JobData | None:
    """With a mark of its own; None when there is nothing in it. Raises Invalid."""
    data = job.data
    if data is None or not (data.inputs or data.outputs or data.checkpoint):
        return None
    if job.runtime not in ("process", CONTAINER):
        raise Invalid(
            f"A job with the runtime {job.runtime} cannot have data.", field=f"{where}data", hint="Remove it."
        )
    if data.checkpoint:
        _check_checkpoint(data.checkpoint, f"{where}data.checkpoint")
    check_count(len(data.inputs), DATA_COUNT, f"{where}data.inputs")
    check_count(len(data.outputs), DATA_COUNT, f"{where}data.outputs")
    for number, each in enumerate(data.inputs):
        _check_input(each, f"{where}data.inputs[{number}]", job)
    for number, each in enumerate(data.outputs):
        _check_output(each, f"{where}data.outputs[{number}]")
    return structs.replace(data, mark=new_mark())


def _check_input(each: DataPath, field: str, job: JobSubmission) -> None:
    _check(each, field)
    url = read_url(each.url)
    several = url.is_folder or url.is_glob
    if url.is_glob:
        _check_pattern(url.key, f"{field}.url")
    if several and url.scheme in ("http", "https"):
        raise Invalid(
            f"{each.url[:80]!r} is a folder, and web servers do not list folders.",
            field=f"{field}.url",
            hint="Name each file.",
        )
    if is_pattern(each.path):
        raise Invalid(
            f"The path {each.path[:80]!r} of an input is a pattern.",
            field=f"{field}.path",
            hint="Write the path at which the job finds it; the pattern belongs into the URL.",
        )
    if each.sha256 and (several or not _SUM.fullmatch(each.sha256)):
        raise Invalid(
            "The sha256 is not the sum of one file.",
            field=f"{field}.sha256",
            hint="Write 64 hexadecimal digits, for an input that is one file.",
        )
    if each.path.removeprefix("./") in job.inputs:
        raise Invalid(
            f"Two inputs have the path {each.path[:80]!r}.", field=f"{field}.path", hint="Rename one of them."
        )


def _check_output(each: DataPath, field: str) -> None:
    _check(each, field)
    path = each.path.removeprefix("./")
    several = is_pattern(path) or path.endswith("/") or not path
    if is_pattern(path):
        _check_pattern(path, f"{field}.path")
    if several and not each.url.endswith("/"):
        raise Invalid(
            f"{each.url[:80]!r} is not a folder, and the output {each.path[:80]!r} can be several files.",
            field=f"{field}.url",
            hint="Write a / at the end of the URL.",
        )
    if is_pattern(each.url.partition("://")[2]) and not each.url.startswith("http"):
        raise Invalid(
            f"The URL {each.url[:80]!r} of an output is a pattern.",
            field=f"{field}.url",
            hint="The pattern belongs into the path.",
        )
    if each.sha256:
        raise Invalid("Only an input can have a sha256.", field=f"{field}.sha256", hint="Remove it.")


def _check_checkpoint(text: str, field: str) -> None:
    hint = "Write the URL of a folder that all workers of the job see: file:///shared/checkpoints/."
    try:
        url = read_url(text)
    except ValueError as error:
        raise Invalid(f"{error}.", field=field, hint=hint) from None
    if url.scheme != "file" or not url.key.endswith("/") or url.is_glob:
        raise Invalid(f"{text[:80]!r} is not the file:// URL of a folder.", field=field, hint=hint)
    if (
        ":" in url.key or not url.key.isprintable()
    ):  # engines of containers take a mount as one text with colons
        raise Invalid(
            f"The path of {text[:80]!r} has a colon or an unprintable character.", field=field, hint=hint
        )


def _check_pattern(text: str, field: str) -> None:
    try:
        Pattern(text)
    except ValueError as error:
        raise Invalid(f"{error}.", field=field, hint="Write the first of a range first: [a-z].") from None


def _check(each: DataPath, field: str) -> None:
    try:
        read_url(each.url)
    except ValueError as error:
        raise Invalid(
            f"{error}.", field=f"{field}.url", hint="Write for example s3://bucket/data/in.txt."
        ) from None
    fault = path_fault(each.path)
    if fault or len(each.path.encode(errors="replace")) > INPUT_NAME_BYTES:
        raise Invalid(
            f"{fault or f'The path has more than {INPUT_NAME_BYTES} bytes'}.",
            field=f"{field}.path",
            hint="Paths are below the folder in which the job runs.",
        )
