"""The ids of traces and spans of jobs, derived from the installation and the number of the job. Pure.

Log lines, the exporter of traces and an agent get the same id without a message between them, and an export that is repeated does not
make a second trace.
"""

from hashlib import sha256

_TRACE_BYTES, _SPAN_BYTES = 16, 8


def trace_id(installation: str, job: int) -> str:
    """32 hexadecimal digits, as W3C Trace Context writes them."""
    return _digest(f"{installation}/job/{job}", _TRACE_BYTES)


def span_id(installation: str, job: int, part: str) -> str:
    """16 hexadecimal digits; `part` is unique within the job, such as `attempt/1`."""
    return _digest(f"{installation}/job/{job}/{part}", _SPAN_BYTES)


def _digest(text: str, size: int) -> str:
    return sha256(f"herder/{text}".encode()).hexdigest()[: 2 * size]
