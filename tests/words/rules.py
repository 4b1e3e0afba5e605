"""What every sentence that a person reads keeps to (`docs/style.md`). For the tests of this folder."""

import re

FORBIDDEN = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bso (many|much|few)\b",
        r"\b(part|most|some|all|any|none|more|much|something|nothing|think|heard|hear) of it\b",
        r"there or coming",
        r"\b(somebody|nobody|everybody)\b",
        r"\bfor good\b",
        r"\bstands?\b",
        r"\blet go\b",
        r"\b(told|said|says)\b",
        r"opens nothing",
        r"(?<![Aa]t )\b(most|least)\b(?! recent)",
        r"(?<![Tt]here )\b(is|are) no (?!longer|more than|less than)",
        r"\b(goes|has gone|have gone)\b",
        r"\bany more\b",
        r"\banyhow\b",
        r"\banew\b",
        r"\bwho \w+ does\b",
        r"\bof its own accord\b",
        r"\bNone\b",
        r"\| ?null\b",
        r"\bExpected `",
        r"\b1 \w+s (?:are|have|were|exist)\b",
    )
)
_LONG_FLOAT = re.compile(r"\d\.\d{4,}")
_SIGNAL = re.compile(r"\bsignal -?\d+\b|(?<![\w.])-(?:9|15)\b")
#: Settings and fields that may begin a sentence as they are written.
_NAMES = re.compile(r"(?:[a-z0-9]+[_.:/-]\S*|ttl|workers|timeout|every|keep|headroom|max_\w+|herder)(?= )")
#: The last two: a sentence from elsewhere follows.
_ENDS = (".", "!", "?", ".)", ". {}", ".{}")


def faults(text: str, *, whole: bool = True) -> list[str]:
    """What is wrong with it. `whole`: it is a sentence of its own, not a part of one."""
    found = [f"forbidden: {each.search(text)}" for each in FORBIDDEN if each.search(text)]
    if _LONG_FLOAT.search(text):
        found.append("a number with many digits")
    if _SIGNAL.search(text):
        found.append("a signal by its number")
    if whole and text:
        if text[0].isascii() and text[0].islower() and not _NAMES.match(text):
            found.append("no capital letter at the beginning")
        if not text.endswith(_ENDS):
            found.append("no full stop")
    return found
