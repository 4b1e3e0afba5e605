"""Addresses of stores and other services without their passwords, for errors, logs and everything that is shown."""

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_USER = re.compile(r"(://[^:/?#@]*):.*@")
_QUERY = re.compile(r"([?&](?:password|sslpassword)=)[^&]*", re.IGNORECASE)


def shown_address(text: str) -> str:
    """Also of one that is no proper URL: rather too much is hidden than too little. A path stays as it is."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1***", _USER.sub(r"\1:***@", text))


def shown_origin(text: str) -> str:
    """Only scheme and host of the address of a web server: its path and query may be as good as a password. Empty: it has none that can be shown."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}"
