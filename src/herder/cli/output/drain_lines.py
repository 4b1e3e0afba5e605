"""One line of a terminal about a drain that is waited for, from the server's sentences. Used by `waits.py`.

What is least useful is shortened first: the source of a notice, the name that the person has just typed, what has ended already. How much
longer it takes is never cut: `tests/cli/test_drain_lines.py` checks that with the sentences that the engine writes.
"""

import re
from collections.abc import Iterator

from herder.cli.output.fitting import cut, middle, width_of

_SOURCE = re.compile(r" \(announced by its [^)]*\)")
_ENDED = re.compile(r"[\d,]+ of [\d,]+ attempts? ha(?:s|ve) ended, and ")
#: What stays of the name of a worker.
NAME_LEAST = 16


def drain_line(text: str, worker: str, before: str, room: int) -> str:
    """`before`: how many of several workers are done, in a sentence."""
    for short in _shorter(text, worker):
        if width_of(before + short) <= room:
            return before + short
    if width_of(short) <= room:
        return short
    return cut(short, room, words=True) if "locked:" in short else middle(short, room)


def _shorter(text: str, worker: str) -> Iterator[str]:
    yield text
    text = _SOURCE.sub("", text)
    yield text
    text = text.replace("The provider takes its machine back in ", "Machine taken back in ")
    text, *_ = text.partition(" The pool waits for them")
    yield text
    text = text.replace(f"The drain of worker {worker} is blocked: its", "Blocked:")
    text = text.replace(f"Worker {worker} is being drained: ", "")
    yield text
    text = re.sub(r"(^|\. )j(?=ob )", r"\1J", _ENDED.sub("", text))
    yield text
    yield text.replace(worker, middle(worker, NAME_LEAST))
