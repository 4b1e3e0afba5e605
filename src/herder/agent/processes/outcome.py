"""How an attempt ended: state, cause and sentence, from its exit code and its measured memory. Pure; used by the process runtime.

Out of memory is said only where the limit was passed or the kernel killed a process for it. An exit code of the job's own near
the limit is the job's own word, with a hint.
"""

from typing import Literal, NamedTuple

from herder.model.values.phrases import ended_with
from herder.model.work.job import Cause

#: From this part of the limit on, in percent, a failure is told with a hint.
NEAR_PERCENT = 90
#: The kernel's peak of a process begins with that of the process that started it, and counts in batches: only what is clearly
#: above is the attempt's own.
MARGIN_PERCENT = 10
MARGIN_KIB = 4096


class Judgement(NamedTuple):
    state: Literal["succeeded", "failed", "cancelled"]
    cause: Cause
    message: str


def own_peak_kib(told_kib: int, spawner_kib: int) -> int:
    """The kernel's peak of an ended process where it is its own; 0 where it may be that of the process that started it."""
    margin_kib = max(MARGIN_KIB, spawner_kib * MARGIN_PERCENT // 100)
    return told_kib if told_kib >= spawner_kib + margin_kib else 0


def judge(code: int, peak_kib: int, limit_mib: int, *, held_kib: int, killed_for_memory: bool) -> Judgement:
    """Of an attempt that the agent did not stop. `peak_kib` may contain files that the kernel cached for it and it removed since;
    `held_kib` is what its processes were seen to hold, and the hint to request more rests on that alone."""
    if code == 0:
        return Judgement("succeeded", Cause.NONE, "")
    if limit_mib and (killed_for_memory or peak_kib > limit_mib * 1024):
        return Judgement("failed", Cause.OUT_OF_MEMORY, memory_text(peak_kib, limit_mib))
    text = f"Exit code {code}."
    if code < 0:
        text = f"Ended by {ended_with(code)}, which Herder did not send."
    if limit_mib and held_kib * 100 >= limit_mib * 1024 * NEAR_PERCENT:
        text += (
            f" Its memory use reached {_mib(held_kib)} of {limit_mib} MiB; a higher memory request may help."
        )
    return Judgement("failed", Cause.EXIT_CODE, text)


def memory_text(peak_kib: int, limit_mib: int) -> str:
    """The peak may be the limit itself: the kernel allows no more."""
    used_mib = max(_mib(peak_kib), limit_mib)
    return f"Used {used_mib} MiB of memory; the limit is {limit_mib} MiB. Request more memory."


def _mib(kib: int) -> int:
    return -(-kib // 1024)
