"""How an MCP server is reached: as a program over its standard input and output, or at an address over streamable HTTP. Data only."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_SECRET = re.compile(r"SECRET|PASS(W|PHRASE|$)|TOKEN(?!_(ID|NAME|FILE))|KEY|CREDENTIAL", re.IGNORECASE)
_SECRET_CHARACTERS_MIN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """Of `command` and `url` exactly one is set."""

    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to the few variables that the program inherits. May have secrets."""
    url: str = ""
    token: str = field(default="", repr=False)
    """Sent as a bearer token."""
    verify: ssl.SSLContext | bool = True
    call_timeout_s: float = 20.0
    start_timeout_s: float = 20.0

    @property
    def place(self) -> str:
        """As sentences name it."""
        return f"the MCP server {self.url or self.command[0].rpartition('/')[2]}"

    def without_secrets(self, text: str) -> str:
        """For sentences: a program may quote what it was given."""
        values = {value for name, value in self.environment.items() if _SECRET.search(name)} | {self.token}
        for secret in sorted(values, key=len, reverse=True):  # one may be a part of another
            if len(secret) >= _SECRET_CHARACTERS_MIN:
                for form in (secret, quote(secret, safe="")):
                    text = text.replace(form, "(secret)")
        return text
