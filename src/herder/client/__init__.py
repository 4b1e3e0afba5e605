"""The typed HTTP client of a Herder server, for the command line, the MCP server and people's own code.

from herder.client import connect

with connect() as herder:
    for pool in herder.pools.list():
        ...
"""

from typing import TYPE_CHECKING, Any

from herder.client.errors import (
    ClientError,
    ConflictError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    ServerError,
    TimedOutError,
    UnreachableError,
)

if TYPE_CHECKING:
    from herder.client.client import HerderClient
    from herder.client.connection import Target, connect, find_target

__all__ = [
    "ClientError",
    "ConflictError",
    "HerderClient",
    "InvalidError",
    "NotAllowedError",
    "NotFoundError",
    "ServerError",
    "Target",
    "TimedOutError",
    "UnreachableError",
    "connect",
    "find_target",
]
_LAZY = {
    "HerderClient": "client",
    "Target": "connection",
    "connect": "connection",
    "find_target": "connection",
}


def __getattr__(name: str) -> Any:
    """The HTTP library is imported with the first use of the client, so that `herder --help` is quick."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"herder.client.{_LAZY[name]}"), name)
