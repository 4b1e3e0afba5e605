"""`herder job submit`: one job from a command line, with the files that the options name. Added by `job.py`."""

from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.shell.completion import complete_pools
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import UNCHANGED, DryRun, pair, usage
from herder.cli.shell.session import Session, detaching, session
from herder.model.fleet.pool import CpuLimit

if TYPE_CHECKING:
    from herder.cli.input.attached_files import Inputs
    from herder.wire.api.work import JobSubmission


class Pull(StrEnum):
    IF_NOT_PRESENT = "if_not_present"
    ALWAYS = "always"
    NEVER = "never"


EXAMPLE = """herder job submit -- echo hello
herder job submit ./report.sh 2026
herder job submit --input data.csv -- sort data.csv
herder job submit --cpu 2 --memory 4Gi --cwd . --wait -- make report
herder job submit --input s3://b/x=in --save out=s3://b/y -- cp in out
herder job submit --memory-factor 2 --memory-max 64Gi ./fit.sh
herder job submit --image debian:12 -- cat /etc/os-release"""

_WORDS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMMAND]", help="Command to run, after all options and two dashes. ./FILE is sent along."
    ),
]
_NAME = Annotated[str | None, typer.Option("--name", help="Name of the job, for job list --name.")]
_CPU = Annotated[str, typer.Option("--cpu", help="CPU in cores: 2, 0.5 or 500m.")]
_MEMORY = Annotated[str, typer.Option("--memory", help="Memory: 512Mi or 4Gi; a number alone is MiB.")]
_MEMORY_PROFILE = Annotated[
    str,
    typer.Option(
        "--memory-profile", metavar="NAME", help="Request what earlier jobs with this name have used."
    ),
]
_DISK = Annotated[str, typer.Option("--disk", help="Disk: 10Gi.")]
_CPU_LIMIT = Annotated[
    CpuLimit | None,
    typer.Option("--cpu-limit", help="weight: may use idle CPU beyond --cpu; hard: never more than --cpu."),
]
_GPU = Annotated[float, typer.Option("--gpu", min=0, help="GPUs: 1, 2, or a share of one, such as 0.25.")]
_GPU_MODEL = Annotated[
    str, typer.Option("--gpu-model", metavar="MODEL", help="GPU model; a100|h100 for either.")
]
_RESOURCE = Annotated[
    list[str] | None,
    typer.Option(
        "--resource",
        metavar="NAME=N",
        help="A resource that the server declares: licence/abaqus=1. Repeatable.",
    ),
]
_POOL = Annotated[
    str, typer.Option("--pool", autocompletion=complete_pools, help="Pool; auto: the cheapest that fits.")
]
_ENV = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="Environment variable. Repeatable.")
]
_ATTRIBUTE = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="K=V", help="Attribute of the job, for searches. Repeatable."),
]
_SECRET = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME=env:VAR",
        help="Secret as a variable; NAME=file:PATH as a file below $HERDER_SECRETS. Repeatable.",
    ),
]
_SELECT = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="LABEL=V", help="Only on workers with this label. Repeatable."),
]
_TOLERATE = Annotated[
    list[str] | None,
    typer.Option("--tolerate", metavar="TAINT=V", help="Also on workers with this taint. Repeatable."),
]
_PRIORITY = Annotated[str, typer.Option("--priority", help="Number (higher runs first) or priority class.")]
_PROJECT = Annotated[
    str | None, typer.Option("--project", help="Project whose quota the job counts against.")
]
_LIMIT = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="Stop an attempt after this time: 10m.")
]
_QUEUE_LIMIT = Annotated[
    str | None, typer.Option("--queue-timeout", metavar="TIME", help="Fail if not started after this time.")
]
_DEADLINE = Annotated[
    str | None,
    typer.Option("--deadline", metavar="TIME", help="Cancel if not ended by then: +2h, or a time."),
]
_RETRIES = Annotated[
    int, typer.Option("--retries", min=0, help="Further attempts after failures of the job itself.")
]
_MEMORY_FACTOR = Annotated[
    float | None,
    typer.Option(
        "--memory-factor", metavar="N", help="After out of memory, try again with N times the memory: 2."
    ),
]
_MEMORY_MAX = Annotated[
    str | None,
    typer.Option("--memory-max", metavar="SIZE", help="With --memory-factor: never request more than this."),
]
_ON_DEMAND_AFTER = Annotated[
    int | None,
    typer.Option(
        "--on-demand-after",
        metavar="N",
        min=1,
        help="After the loss of N spot workers, run on other workers only.",
    ),
]
_CWD = Annotated[
    str | None,
    typer.Option("--cwd", metavar="FOLDER", help="Run in this folder of the worker's machine."),
]
_TYPE = Annotated[
    str, typer.Option("--type", metavar="TYPE", help="Job type: what is not given here comes from it.")
]
_CHECKPOINT = Annotated[
    str,
    typer.Option(
        "--checkpoint", metavar="URL", help="Folder for $HERDER_CHECKPOINT_DIR, which retries find again."
    ),
]
_SHRED = Annotated[bool, typer.Option("--shred", help="Overwrite the job's files before they are removed.")]
_IMAGE = Annotated[
    str,
    typer.Option(
        "--image", metavar="IMAGE", help="Run in a container of this image: NAME[:TAG] or NAME@DIGEST."
    ),
]
_PULL = Annotated[
    Pull | None, typer.Option("--pull", help="When to pull the image; default: if it is not on the worker.")
]
_WARM = Annotated[
    bool,
    typer.Option(
        "--warm-python", help="Run PYTHON SCRIPT in a fork of an interpreter that its worker keeps for you."
    ),
]
_PRELOAD = Annotated[
    list[str] | None,
    typer.Option(
        "--preload", metavar="MODULE", help="Module that this interpreter has imported before. Repeatable."
    ),
]
_INPUT = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="PATH",
        help="File or folder to send along, or URL=PATH to download. Repeatable.",
    ),
]
_SAVE = Annotated[
    list[str] | None,
    typer.Option("--save", metavar="PATH=URL", help="Files to copy there after success. Repeatable."),
]
_ALWAYS = Annotated[
    bool, typer.Option("--always-copy-output", help="Copy the files of --save also when the job has failed.")
]
_STDIN = Annotated[
    str | None,
    typer.Option("--stdin", metavar="FILE", help="File for the job's stdin; - is the stdin of this command."),
]
_WAIT = Annotated[
    bool, typer.Option("--wait", help="Wait until the job has ended; exit with 0 when it succeeded.")
]
_FOLLOW = Annotated[
    bool, typer.Option("--follow", help="Print the output while the job runs, and wait as with --wait.")
]


def submit(
    ctx: typer.Context,
    *,
    words: _WORDS = None,
    name: _NAME = None,
    cpu: _CPU = "100m",
    cpu_limit: _CPU_LIMIT = None,
    memory: _MEMORY = "128Mi",
    memory_profile: _MEMORY_PROFILE = "",
    disk: _DISK = "0",
    gpu: _GPU = 0,
    gpu_model: _GPU_MODEL = "",
    resource: _RESOURCE = None,
    pool: _POOL = "auto",
    env: _ENV = None,
    attribute: _ATTRIBUTE = None,
    secret: _SECRET = None,
    select: _SELECT = None,
    tolerate: _TOLERATE = None,
    project: _PROJECT = None,
    priority: _PRIORITY = "0",
    of_type: _TYPE = "",
    timeout: _LIMIT = None,
    queue_timeout: _QUEUE_LIMIT = None,
    deadline: _DEADLINE = None,
    retries: _RETRIES = 0,
    memory_factor: _MEMORY_FACTOR = None,
    memory_max: _MEMORY_MAX = None,
    on_demand_after: _ON_DEMAND_AFTER = None,
    cwd: _CWD = None,
    shred: _SHRED = False,
    checkpoint: _CHECKPOINT = "",
    image: _IMAGE = "",
    pull: _PULL = None,
    warm_python: _WARM = False,
    preload: _PRELOAD = None,
    files: _INPUT = None,
    save: _SAVE = None,
    always_copy_output: _ALWAYS = False,
    stdin: _STDIN = None,
    wait: _WAIT = False,
    follow: _FOLLOW = False,
    dry_run: DryRun = False,
) -> None:
    """Submit one job.

    Prints the job's number at once. With --wait or --follow the command waits for the job; Ctrl-C stops the command, not the job.
    The job runs in an empty folder of its own. A program given by a relative path (./report.sh) is read on this machine and sent along, as are the files of --input (PATH or NAME=PATH). An input by URL
    (s3, gs, az, http, https, file) is downloaded by the worker, and the files of --save are copied to their URLs; a folder ends with /, and * and ** stand for names. --cwd runs the job in an existing folder of the worker's machine; local workers see the folders of this machine.
    """
    given: dict[str, Any] = {
        **_what(name, words, of_type, image, pull),
        **_all_pairs(env=env, resource=resource, select=select, attribute=attribute),
        **_size(cpu, cpu_limit, memory, disk, gpu, gpu_model),
        **_placed(pool, project, priority, tolerate) | _limits(timeout, queue_timeout, deadline),
        **_retried(retries, memory_profile, memory_factor, memory_max, on_demand_after),
        **_handed_over(files, stdin, secret, cwd, shred=shred),
        **_copied(save, checkpoint, always=always_copy_output) | _warm(preload, warm=warm_python),
    }
    _send(session(ctx), given, wait=wait, follow=follow, dry_run=dry_run)


def _what(
    name: str | None, words: list[str] | None, of_type: str, image: str, pull: Pull | None
) -> dict[str, Any]:
    if not (words or of_type or image):
        raise usage("The command is missing.", hint="Write it after two dashes: -- echo hello")
    container = {"pull": pull.value} if pull else None
    return {"name": name, "command": words or [], "type": of_type, "image": image, "container": container}


def _limits(timeout: str | None, queue_timeout: str | None, deadline: str | None) -> dict[str, Any]:
    return {"timeout": timeout, "queue_timeout": queue_timeout, "deadline": deadline or ""}


def _placed(pool: str, project: str | None, priority: str, tolerate: list[str] | None) -> dict[str, Any]:
    given = {"pool": pool, "project": project, "priority": _priority(priority)}
    return {**given, "tolerate": list(tolerate or ())}


def _size(cpu: str, limit: CpuLimit | None, memory: str, disk: str, gpu: float, model: str) -> dict[str, Any]:
    given = {"memory": memory, "disk": disk, "gpu": _gpus(gpu), "gpu_model": model}
    return {"cpu": cpu, "cpu_limit": limit.value if limit else "", **given}


def _retried(
    retries: int, profile: str, factor: float | None, most: str | None, on_demand_after: int | None
) -> dict[str, Any]:
    given = {"memory_factor": factor, "memory_max": most, "on_demand_after": on_demand_after}
    return {"retries": retries, "memory_profile": profile, **given}


def _priority(text: str) -> int | str:
    from herder.cli.input.job_rows import priority_of

    return priority_of(text)


def _handed_over(
    files: list[str] | None, stdin: str | None, secrets: list[str] | None, cwd: str | None, *, shred: bool
) -> dict[str, Any]:
    given = {"input": list(files or ()), "stdin": stdin or "", "secret": list(secrets or ())}
    return {**given, "cwd": cwd or "", "shred": shred}


def _copied(save: list[str] | None, checkpoint: str, *, always: bool) -> dict[str, Any]:
    return {"save": list(save or ()), "always_copy_output": always, "checkpoint": checkpoint}


def _warm(preload: list[str] | None, *, warm: bool) -> dict[str, Any]:
    return {"warm_python": {"preload": preload or []}} if warm or preload else {}


def _read(say: Session, given: dict[str, Any]) -> "JobSubmission":
    """Raises CommandError."""
    from herder.cli.input.attached_files import Inputs
    from herder.cli.input.job_rows import RowFault, job_of

    inputs = Inputs(Path())
    try:
        job = job_of(given, inputs)
    except RowFault as error:
        raise CommandError(f"--{error}", hint="Nothing was submitted.", code=Code.USAGE) from None
    _note_left_behind(say, job, inputs)
    return job


def _send(say: Session, given: dict[str, Any], *, wait: bool, follow: bool, dry_run: bool) -> None:
    from herder.cli.output.waits import wait_for_job
    from herder.cli.views.work.job_ends import tell_end
    from herder.cli.views.work.job_output import Part, print_logs

    job = _read(say, given)
    if dry_run:
        said = say.client.jobs.try_submit(job)
        say.done(said.text + UNCHANGED, said, said.object)
        return
    number = say.client.jobs.submit(job).first_job
    if not (wait or follow):
        say.done(f"Job {number} was submitted.", number, number)
        say.say(f"Follow its output with: herder job logs {number} --follow")
        return
    say.say(f"Job {number} was submitted.")
    with detaching(f"job {number}", f"herder job wait {number}"), say.patient():
        if follow:
            print_logs(say, number, Part(follow=True))
        view = wait_for_job(say, number, None)
    tell_end(say, view, quiet=follow)
    if view.state != "succeeded":
        raise typer.Exit(Code.FAILURE)


def _note_left_behind(say: Session, job: "JobSubmission", inputs: "Inputs") -> None:
    """A word that is the path of a file here, which the job will not find."""
    if job.cwd:
        return
    left = [
        word
        for word in job.command[1:]
        if word.startswith("./") and word[2:] not in job.inputs and (inputs.base / word).is_file()
    ]
    for word in left[:1]:
        say.say(f"{word} is not sent along; add --input {word[2:]} if the job reads it.")


def _all_pairs(**options: list[str] | None) -> dict[str, dict[str, str]]:
    return {name: _pairs(given, f"--{name}") for name, given in options.items()}


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    return dict(pair(each, option) for each in given or ())


def _gpus(number: float) -> int | float:
    if not isfinite(number):
        raise usage(
            f"--gpu: {number} is not a number of GPUs.", hint="Write for example --gpu 1 or --gpu 0.25."
        )
    return int(number) if number == int(number) else number
