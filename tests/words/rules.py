"""The rules of sentences that people read, as the style page (`docs/style.md`) says them: `broken` for sentences as they are shown, `faults` for
templates of them in the code, where names are left open."""

import re
from collections.abc import Iterator

#: What may begin a sentence beside a capital: the name of a worker, and of the user of these worlds.
_ID = re.compile(r"^[a-z0-9]+-\d+-\d+\b|^(ann|bob|cyd)\b")
_FORBIDDEN = re.compile(
    r"\b(so many|so much|of it|there or coming|nobody|for good|stands?|goes|has gone|let go|told|said|says|who does|"
    r"board|scenes?|thoughts?|wish(es|ed)?|rooms?|holds?|held|stage|purse|bells?|house|face|thaw(ed)?|None|True|False|nan|inf)\b"
    r"|(?<![Aa]t )\b(most|least)\b"
    r"|\.\.|;\.|\.;| ,| \.(?=\s|$)|\s\s"
    r"|(?<![\w$.])-\d+\b"
    r"|(?<![$\d.])\d+\.\d{4,}"
)
_NOUNS = r"(?:[a-z-]+ )?(worker|job|attempt|user|group|time|output|batch|file|parent|failure|rule|shape)"
#: "0 of 1 workers" is right: the plural belongs to the whole.
_PLURAL = re.compile(rf"(?<!of )(?<![\d,.])\b1 {_NOUNS}(es|s)\b")
_SINGULAR = re.compile(rf"(?<![\d,.:])\b(0|[2-9]|[1-9][\d,]+) {_NOUNS}\b(?!-| shape)")


def broken(text: str) -> Iterator[str]:
    if not text.endswith((".", "?")):
        yield "ends without a full stop"
    text = re.sub(r"'[^']*'", "'x'", text)
    for sentence in re.split(r"(?<=[a-z0-9)'%])\. (?=\S)", text.rstrip(".")):
        if not (sentence[:1].isupper() or _ID.match(sentence) or sentence[:1].isdecimal()):
            yield f"a sentence begins in small letters: {sentence[:30]!r}"
    for rule, what in ((_FORBIDDEN, "forbidden"), (_PLURAL, "plural"), (_SINGULAR, "singular")):
        for found in rule.finditer(text):
            yield f"{what}: {found.group()!r}"


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
