"""Addresses of stores and other services without their passwords, for errors, logs and everything that is shown."""

import re

_USER = re.compile(r"(://[^:/?#@]*):.*@")
_QUERY = re.compile(r"([?&](?:password|sslpassword)=)[^&]*", re.IGNORECASE)


def shown_address(text: str) -> str:
    """Also of one that is no proper URL: rather too much is hidden than too little. A path stays as it is."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1***", _USER.sub(r"\1:***@", text))
