"""The rules of sentences that people read, as `docs/style.md` has them: for a sentence as it is shown, and for a template of one in the
code, where `{}` stands for a value. Called by the tests of this folder."""

import re

FORBIDDEN = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bso (many|much|few)\b",
        r"\bof it\b",
        r"there or coming",
        r"\b(somebody|nobody|everybody)\b",
        r"\bfor good\b",
        r"\bstands?\b",
        r"\blet go\b",
        r"\b(told|said|says)\b",
        r"\b(board|scenes?|thoughts?|wish(es|ed)?|rooms?|holds(?!\.)|stage|purse|bells?|house|face|thaw(ed)?)\b",
        r"opens nothing",
        r"(?<![Aa]t )\b(most|least)\b(?! recent)",
        r"(?<![Tt]here )\b(is|are) no (?!longer|more than|less than)",
        r"\b(goes|has gone|have gone)\b",
        r"\bany more\b",
        r"\banyhow\b",
        r"\banew\b",
        r"\bwho (\w+ )?does\b",
        r"\bof its own accord\b",
        r"\b(fault|bug) of (Herder|this)\b",
        r"\b(None|True|False|nan|inf)\b",
        r"\| ?null\b",
        r"\bExpected `",
    )
)
_NOUNS = r"(?:[a-z-]+ )?(worker|job|attempt|user|group|time|output|batch|file|parent|failure|rule|shape)"
#: "0 of 1 workers" is right: the plural belongs to the whole.
_PLURAL = re.compile(rf"(?<!of )(?<![\d,.])\b1 (?:{_NOUNS}(?:es|s)\b|\w+s (?:are|have|were|exist)\b)")
_SINGULAR = re.compile(rf"(?<![\d,.:])\b(0|[2-9]|[1-9][\d,]+) {_NOUNS}\b(?!-| shape)")
_LONG_FLOAT = re.compile(r"(?<![$\d.])\d+\.\d{4,}")
_NEGATIVE = re.compile(r"\bsignal -?\d+\b|(?<![\w$.])-\d+\b")
_PUNCTUATION = re.compile(r"(?<!\d)\.\.|;\.|\.;| ,| \.$|\S\s\s+\S")
_ANYWHERE = (
    *((rule, "forbidden") for rule in FORBIDDEN),
    (_PLURAL, "plural"),
    (_SINGULAR, "singular"),
    (_LONG_FLOAT, "a number with many digits"),
    (_NEGATIVE, "a signal by its number, or a negative number"),
)
#: What may begin a sentence beside a capital: settings, fields and commands as they are written, names of workers, and users of these worlds.
_NAMES = re.compile(
    r"(?:[a-z0-9]+[_.:/-]\S*|ttl|workers|timeout|every|keep|headroom|max_\w+|herder|ann|bob|cyd)(?= )"
)
#: The last two: a sentence from elsewhere follows.
_ENDS = (".", "!", "?", ".)", ". {}", ".{}")
_QUOTED = re.compile(r"(?<!\w)'[^']*'(?!\w)")
_BETWEEN = re.compile(r"(?<=[a-z0-9)'%}])\. (?=\S)")


def faults(text: str, *, whole: bool = True) -> list[str]:
    """What is wrong with it. `whole`: it is one or several sentences of its own, not a part of one."""
    text = _QUOTED.sub("'x'", text)
    found = [f"{what}: {each.group()!r}" for rule, what in _ANYWHERE for each in rule.finditer(text)]
    if not whole or not text:
        return found
    found += [f"punctuation: {each.group()!r}" for each in _PUNCTUATION.finditer(text)]
    found += [
        f"a sentence begins with a small letter: {sentence[:30]!r}"
        for sentence in _BETWEEN.split(text)
        if sentence[0].isascii() and sentence[0].islower() and not _NAMES.match(sentence)
    ]
    if not text.endswith(_ENDS):
        found.append("no full stop")
    return found
