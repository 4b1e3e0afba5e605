"""Inputs and outputs by URL as people write them: URL=PATH and PATH=URL. Used by `job_rows.py`; whether they can be taken, the server says."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from herder.wire.data import SCHEMES, is_pattern


def is_url(given: Any) -> bool:
    """Of an input: a URL, with or without the path at which the job finds it."""
    scheme, colon, _ = given.partition("://") if isinstance(given, str) else ("", "", "")
    return bool(colon) and scheme.isalnum()


def input_data(given: str) -> dict[str, str]:
    """`URL=PATH`, or `URL`: then under the last name of the URL, a folder or a pattern in the job's folder."""
    url, equals, path = given.rpartition("=")
    if not equals or "://" not in url:
        url, path = given, _last_name(given)
    return {"url": url, "path": path}


def output_data(given: Any) -> dict[str, str]:
    """`PATH=URL`. Raises ValueError with a clause."""
    if isinstance(given, str):
        for scheme in SCHEMES:
            path, equals, rest = given.partition(f"={scheme}://")
            if equals and path:
                return {"url": f"{scheme}://{rest}", "path": path}
    raise ValueError(f"{given!r} is not an output; write PATH=URL, such as out/*.txt=s3://bucket/results/")


def data_of(inputs: Sequence[str], outputs: Any, always: Any, checkpoint: Any, given: Any) -> Any:
    """What a row says, in the form of the API; None when it says nothing. `given`: its own `data`. Raises ValueError with a clause."""
    found: dict[str, Any] = {}
    if inputs:
        found["inputs"] = [input_data(each) for each in inputs]
    if outputs:
        some = [outputs] if isinstance(outputs, str) else outputs
        if not isinstance(some, list):
            raise ValueError(f"{outputs!r} is not a list of outputs; write [PATH=URL]")
        found["outputs"] = [output_data(each) for each in some]
    if always:
        found["always_copy_output"] = always
    if checkpoint:
        found["checkpoint"] = checkpoint
    if given is None or not found:
        return found or given
    if not isinstance(given, dict) or found.keys() & given.keys():
        raise ValueError("data and input, save, always_copy_output or checkpoint say the same; write it once")
    return {**given, **found}


def _last_name(url: str) -> str:
    name = url.partition("?")[0].rpartition("/")[2]
    return "./" if is_pattern(name) or not name else unquote(name)
