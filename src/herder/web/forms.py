"""Bodies of forms. Used by the sign-in and by actions."""

from urllib.parse import parse_qs

from starlette.requests import Request

#: A form has a few short fields, and a message.
FORM_BYTES_MAX = 8192


async def read_form(request: Request) -> dict[str, str] | None:
    """The last value of each field; None when it is too large or no form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return None
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode()).items()}
    except (UnicodeDecodeError, ValueError):
        return None
