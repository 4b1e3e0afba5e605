"""Herder: a control plane for elastic pools of workers.

The package's public face is the command `herder`, the modules named in `docs/`, and for programs that submit work:

from herder import Batch, Executor
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from herder.client.batch import Batch
    from herder.client.executor import Executor

__version__ = "0.1.0"
__all__ = ["Batch", "Executor", "__version__"]
_LAZY = {"Batch": "herder.client.batch", "Executor": "herder.client.executor"}


def __getattr__(name: str) -> Any:
    """The client is imported with its first use, so that `herder --help` and an agent start quickly."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
