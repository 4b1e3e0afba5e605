"""Requests for a range of bytes of an answer (RFC 9110, section 14), for one range. Used by the route of outputs."""

import re

from fastapi import Response

from herder.api.http.replies import problem
from herder.control.kernel.bounds.errors import Invalid

_RANGE = re.compile(r"bytes=\s*([0-9]{1,18})?-([0-9]{1,18})?\s*")


def ranged(data: bytes, wanted: str, media_type: str, headers: dict[str, str]) -> Response:
    """The answer, or the part that the header `Range` wants. What is no single range of bytes is passed over, as the RFC says."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(wanted)
    if match is None or not any(match.groups()) or _reversed(match):
        return Response(data, media_type=media_type, headers=headers)
    first, last = match.groups()
    if first is None:
        begin, end = max(0, len(data) - int(last)), len(data)
    else:
        begin, end = int(first), len(data) if last is None else min(len(data), int(last) + 1)
    if begin >= end:
        refused = problem(Invalid(f"The output has {len(data):,} bytes: the range is beyond its end."))
        refused.status_code = 416
        refused.headers["Content-Range"] = f"bytes */{len(data)}"
        return refused
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
    return Response(data[begin:end], status_code=206, media_type=media_type, headers=headers)


def _reversed(match: re.Match[str]) -> bool:
    first, last = match.groups()
    return first is not None and last is not None and int(first) > int(last)
