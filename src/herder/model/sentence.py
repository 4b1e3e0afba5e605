"""Full sentences made of words that come from elsewhere: an operating system, a driver, a person. Pure; used where such words are shown.

Every message that is shown on its own is a sentence: a capital letter at its beginning, unless that is a name, and a full stop.
"""

import re

_WORD = re.compile(r"[a-z]+(?=[ ,;:]|$)")
_ENDS = (".", "!", "?", "…")


def sentence(text: str) -> str:
    """`it is full` → `It is full.` Names such as `max_workers` or `burst-1` keep their first letter."""
    text = text.strip()
    if _WORD.match(text):
        text = text[0].upper() + text[1:]
    return text if not text or text.endswith(_ENDS) else text + "."


def parts(error: object) -> tuple[str, str]:
    """What is wrong and the remedy, as sentences, of a text of the form `what is wrong; what to do`."""
    message, _, remedy = str(error).partition("; ")
    return sentence(message), sentence(remedy)


def clause(error: object) -> str:
    """The words of an error for the middle of a sentence: in one line, without its full stop."""
    return " ".join(str(error).split()).rstrip(".")
