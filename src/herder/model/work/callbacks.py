"""Callbacks as data: what the server's own files say of them, and the pauses between tries."""

from dataclasses import dataclass

#: Seconds from one try to the next; the last is repeated until the time is over. As Standard Webhooks recommends.
PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRules:
    """The section `callbacks` of herder.yaml. Seconds."""

    allow: tuple[str, ...] = ()
    """Networks (10.1.0.0/16) and hosts (build.example.org, *.example.org) that may be called although they are private, and by http."""
    timeout_s: float = 10.0
    """For a whole try, from the look-up of the name to the end of the answer."""
    give_up_s: float = 86_400.0
    """So long after the end of its batch a message is tried again."""


def pause_ms(tries: int) -> int:
    """After so many tries, at least one."""
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1] * 1000
