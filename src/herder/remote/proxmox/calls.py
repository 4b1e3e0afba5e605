"""What the machines of Proxmox ask of whoever carries their calls to its API: `client` over HTTPS, `remote/mcp` through tools.

Each call raises `DriverError`s only, and tells one whose answer was lost (OutcomeUnknown) from one that was never sent (Unavailable).
"""

from collections.abc import Mapping
from typing import Any, Protocol


class ProxmoxCalls(Protocol):
    """May be used by several threads at once. `what` names the call in words, for errors."""

    url: str
    token_id: str

    def get(self, path: str, what: str, **query: str | int) -> Any: ...
    def post(self, path: str, what: str, form: Mapping[str, str | int] | None = None) -> Any: ...
    def put(self, path: str, what: str, form: Mapping[str, str | int]) -> Any: ...
    def delete(self, path: str, what: str, **query: str | int) -> Any: ...
    def upload(self, path: str, what: str, name: str, content: bytes) -> Any: ...
    def close(self) -> None: ...
