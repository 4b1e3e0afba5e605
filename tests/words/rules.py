"""The rules of sentences that people read, as the style page says them. `broken` answers which of them a text breaks."""

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
