"""What the three suites share: junk, broken texts, how many cases, and a bound on the time of one.

Seeds are fixed by the profile of `tests/conftest.py`; `HYPOTHESIS_PROFILE=explore` looks for new ones.
"""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

#: Longer than this is a hang, also on a busy machine.
HANG_S = 20.0
EXPLORE_TIMES = 30

TEXTS = (
    "", " ", "0", "1", "17", "-1", "3.5", "1e9", "1e300", "nan", "inf", "-inf", "9" * 30, "9" * 5000, "0x10", "1_000", "²", "٣",
    "burst", "std", "burst-7-1", "a=b", "=", "a=", "=b", "../..", "/", "/dev/null", "-", "--", "--yes", "\x1b[2J", "\x07", "\u202e",
    "\ud800", "\udcff", "é", "日本", "😀", "a\nb", "a\tb", "a,b", "'", '"', "`$(x)`", "%s%n", "{0}", "true", "null", "10m", "5Gi", "500m",
    "x" * 300, "json", "table", "auto", "viewer", "failed", "T" * 70_000,
)  # fmt: skip
texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=12), st.integers().map(str))
_OUTSIDE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
#: What no argument and no environment variable can hold is left out. Bytes that are no text (\udc80 to \udcff) can be there.
words = texts.filter(lambda text: "\x00" not in text and not _OUTSIDE.search(text))

numbers = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**40]),
    st.floats(allow_nan=True),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)

_PIECES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n\n", b"\t", b"'", b'"', b"{", b"}", b"[", b"]", b":", b",", b"-", b"#", b"&a", b"*a", b"!!python/object:x ",
    b"<<: *a", b"? ", b"| ", b"---\n", b"%YAML 9.9\n", b"99999999999999999999", b"9" * 5000, b"1e300", b".nan", b".inf", b"-1", b"1e9999",
    b"[" * 3000, b'{"a":' * 3000, b"- " * 500, b"\\ud800", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"null", b"true", b"2020-13-45", b"0o17", b"1:30:00",
    b"{" * 500,
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """A good text with something cut out, doubled, or put in."""
    data = whole
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 60)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            data = data[:at] + data[end:]
        elif kind == 1:
            data = data[:end] + data[at:]
        elif kind == 2:
            data = data[:at] + draw(st.sampled_from(_PIECES)) + data[at:]
        else:
            data = data[:at] + draw(st.sampled_from(_PIECES)) + data[end:]
    return data


def files(*wholes: bytes) -> st.SearchStrategy[bytes]:
    """Mostly broken good ones; sometimes nothing that was ever good."""
    good = [broken(whole) for whole in wholes]
    return st.one_of(*good, *good, *good, st.binary(max_size=80), st.sampled_from(_PIECES))


def cases(count: int) -> Any:
    """So many examples; many more under the profile `explore`."""
    times = EXPLORE_TIMES if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 1
    return settings(
        max_examples=count * times,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.filter_too_much,
        ],
    )


class Hang(BaseException):
    """It went on for too long."""


@contextmanager
def no_longer(limit_s: float = HANG_S, error: type[BaseException] = Hang) -> Iterator[None]:
    """Raises in the main thread when the time is over."""

    def notify(number: int, frame: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, notify)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
