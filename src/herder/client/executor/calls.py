"""Calls as jobs: the function and its arguments pickled, compressed and sent along, with the program that runs them.

Called by `executor` in the thread of the caller, so that what cannot be pickled or is too large is an error where it was written.
"""

import ast
import base64
import sys
import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module, resources
from typing import Any

CALL_CHARACTERS_MAX = 250_000
"""Of one pickled call; the server takes 256 KiB of files for a job."""
VERSION = ".".join(map(str, sys.version_info[:2]))
FILE, PROGRAM = "call.txt", "call.py"
MODULES = ("base64", "cloudpickle", "json", "pickle", "threading", "traceback", "typing", "zlib")
"""What `remote_call` needs: imported by a warm interpreter before it forks."""
Row = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of one call."""


def cloudpickle() -> Any:
    """Raises ImportError with the remedy."""
    try:
        return import_module("cloudpickle")
    except ImportError:
        raise ImportError("Executor needs cloudpickle. Install it: pip install 'herder[executor]'.") from None


@cache
def program() -> str:
    """`remote_call.py` without its documentation, which would travel with each job."""
    text = resources.files(__package__).joinpath("remote_call.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    return "\n".join((*map(ast.unparse, functions), "main()", ""))


def pickled(function: Callable[..., Any], rows: list[Row]) -> str:
    """What `remote_call` reads: it answers with the list of what `function` returned. Raises ValueError when it is too large, and
    what pickling raises."""
    data = cloudpickle().dumps((function, rows), protocol=5)
    text = base64.b64encode(zlib.compress(data, 1)).decode()
    if len(text) > CALL_CHARACTERS_MAX:
        raise ValueError(
            f"The pickled call has {len(text):,} characters, but may have {CALL_CHARACTERS_MAX:,}. "
            "Store large data where the job can read it, and send its path."
        )
    return f"{VERSION}\n{text}"
