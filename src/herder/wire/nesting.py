"""The depth of nesting of JSON, computed without recursion, so that no depth can crash the process.

Used by the agent before it reports a result and by the server before it keeps one. It does not say whether it is JSON.
"""

import re

#: Levels of lists and objects in a result. Every JSON reader takes so many; the least of those we met stops at 100.
LEVELS_MAX = 64

# The closing quote is optional, so that every opening quote matches at once: text without an end stays linear.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def nested_too_deeply(content: bytes, levels_max: int = LEVELS_MAX) -> bool:
    """Each pass takes the innermost pairs away: what is left after `levels_max` passes is deeper."""
    if content.count(b"[") + content.count(b"{") <= levels_max:
        return False
    left = _STRING.sub(b"", content).translate(_TO_BRACKETS, _OTHERS)
    for _ in range(levels_max):
        shorter = left.replace(b"[]", b"")
        if len(shorter) == len(left):
            # Brackets without partners: this is no JSON, and no reader goes deeper than their number.
            return left.count(b"[") > levels_max
        left = shorter
    return b"[" in left
