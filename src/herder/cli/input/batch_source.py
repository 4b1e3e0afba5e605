"""What `herder batch submit` submits: the jobs of a file, of an array, of lines, or of a recorded workflow. Submits nothing itself."""

from typing import TYPE_CHECKING, Any

from herder.cli.input import arrays, workflows
from herder.cli.input.job_files import read_jobs
from herder.cli.shell.options import usage

if TYPE_CHECKING:
    from herder.cli.input.job_files import JobFile
    from herder.cli.shell.session import Session


def batch_of(words: list[str], array: str | None, defaults: dict[str, Any], *, lines: bool) -> "JobFile":
    """Raises CommandError."""
    if array is not None and lines:
        raise usage("--array and --lines cannot be combined.", hint="Name only one of them.")
    if array is not None:
        return arrays.array_jobs(arrays.parse_array(array), words, defaults)
    file = _one_file(words, "For a command add --array; see also herder job submit.")
    return arrays.line_jobs(file, defaults) if lines else read_jobs(file, defaults)


def workflow_of(
    say: "Session",
    words: list[str],
    read: workflows.ReadTasks | None,
    defaults: dict[str, Any],
    *,
    scale: float | None,
    real: bool,
) -> workflows.Workflow:
    """Says which requests it reduced, so that a template can hold them. Raises CommandError."""
    file = _one_file(words, "Name the file of one workflow.")
    flow = workflows.read_workflow(file, read, defaults, scale=1.0 if scale is None else scale, real=real)
    flow, reduced = workflows.fitted(flow, say.client.pools.list())
    if reduced:
        say.say(reduced)
    return flow


def refuse_others(array: str | None, *, lines: bool) -> None:
    """Beside --from-wfformat. Raises CommandError."""
    if array is not None or lines:
        raise usage(
            "--from-wfformat cannot be combined with --array or --lines.", hint="Name only one of them."
        )


def _one_file(words: list[str], hint: str) -> str:
    if len(words) != 1:
        raise usage(f"One file is expected, not {len(words)}.", hint=hint)
    return words[0]
