"""Phrases for sentences that people read: counts with their nouns, lists, durations, limits, and how sentences are joined.

Used wherever a sentence is made. A sentence begins with a capital or an id and ends with a full stop; sentences that belong together
stand side by side and are never nested. Pure; it must never decide anything.
"""

import re
from collections.abc import Sequence
from signal import Signals

_WORD = re.compile(r"[a-z]+(?=[ ,;:]|$)")
_ENDS = (".", "!", "?", "…")


def counted(count: int, noun: str) -> str:
    """`1 worker`, `2 batches`, `3 tries`, `1,200 jobs`."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}" + ("es" if noun.endswith(("ch", "s", "sh")) else "s")


def agree(count: int, one: str, several: str) -> str:
    """The verb beside a count: `agree(count, "is", "are")`."""
    return one if count == 1 else several


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def seconds_until(until_ms: int, now_ms: int) -> str:
    """`9 s`, rounded up, never below zero."""
    return f"{max(0, -(-(until_ms - now_ms) // 1000)):,} s"


def at_limit(subject: str, there: int, limit: int, noun: str = "worker") -> str:
    """`Pool p is at its limit: 4 of 4 workers exist`, without a full stop, so that a detail can follow."""
    if limit <= 0:
        return f"{subject} may have no {noun}s: its limit is 0"
    if there < limit:
        return f"{subject} may have at most {counted(limit, noun)} ({there:,} {agree(there, 'exists', 'exist')} now)"
    if there > limit:
        return f"{subject} is above its limit: {counted(there, noun)} exist, and at most {limit:,} may"
    return f"{subject} is at its limit: {there:,} of {limit:,} {noun}s exist"


def ended_with(exit_code: int) -> str:
    """`exit code 3`; a negative one is the signal that ended the process: `signal SIGTERM`."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"signal {Signals(-exit_code).name}"
    except ValueError:
        return f"signal {-exit_code}"


def sentence(text: str) -> str:
    """A text from elsewhere (a provider, a person), as a sentence of its own: `it is full` → `It is full.` Names such as `max_workers`
    or `burst-1` keep their first letter."""
    text = text.strip()
    return stopped(text[0].upper() + text[1:] if _WORD.match(text) else text)


def stopped(text: str) -> str:
    """With a full stop, and its first letter as it is: it may be a name."""
    text = text.strip()
    return text if not text or text.endswith(_ENDS) else f"{text}."


def sentences(*parts: str) -> str:
    """Side by side, each with its full stop; empty ones are left out."""
    return " ".join(stopped(part) for part in parts if part)


def clause(words: object) -> str:
    """To be quoted within another sentence: in one line, without its full stop."""
    return " ".join(str(words).split()).rstrip(".")


def parts(error: object) -> tuple[str, str]:
    """What is wrong and the remedy, as sentences, of a text of the form `what is wrong; what to do`."""
    message, _, remedy = str(error).partition("; ")
    return sentence(message), sentence(remedy)
