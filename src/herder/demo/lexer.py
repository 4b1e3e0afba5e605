"""Counts the tokens of a Python source with a small lexer of its own that knows strings, numbers, names and operators.

Used by the recount only, so that the demo's result is checked by something other than the `tokenize` of its jobs. The text
must be valid Python with `\\n` as line ends. Nested f-strings (Python 3.12) are followed to their end and count as one.
"""

import re
from collections.abc import Callable

_STRING = r"(?P<prefix>[rRbBuUfFtT]{0,2})(?P<quote>\"\"\"|'''|\"|')"
_NAME = r"(?P<name>(?:[A-Za-z_]|[^\x00-\x7f])(?:\w|[^\x00-\x7f])*)"
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = (
    r"(?P<number>0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+"
    rf"|(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?[jJ]?)"
)
_OPERATOR = r"(?P<operator>\*\*=?|//=?|>>=?|<<=?|\.\.\.|->|:=|[-+*/%&@|^=<>!]=?|[~()\[\]{},:;.])"
_NEXT = re.compile(rf"(?:[ \t\f\n\ufeff]|\\\n|#[^\n]*)*(?:{_STRING}|{_NAME}|{_NUMBER}|{_OPERATOR})?")
_PLAIN_END = {quote: re.compile(rf"(?:[^\\]|\\.)*?{quote}", re.DOTALL) for quote in ('"""', "'''", '"', "'")}
_FORMATTED_STEP = {
    quote: re.compile(rf"\\N\{{[^}}]*\}}|\\[^{{}}]|\{{\{{|\}}\}}|(?P<field>\{{)|(?P<end>{quote})", re.DOTALL)
    for quote in _PLAIN_END
}
_RAW_STEP = {
    quote: re.compile(rf"\\[^{{}}]|\{{\{{|\}}\}}|(?P<field>\{{)|(?P<end>{quote})", re.DOTALL)
    for quote in _PLAIN_END
}
_FIELD_STEP = re.compile(rf"#[^\n]*|{_STRING}|(?P<open>[(\[{{])|(?P<close>[)\]}}])|!=|(?P<spec>:)|\w+")
_SPEC_STEP = re.compile(r"(?P<open>\{)|(?P<close>\})")


def count_tokens(text: str) -> int:
    """Raises ValueError where the text is no Python."""
    count = at = 0
    while at < len(text):
        found = _NEXT.match(text, at)
        if found is None or found.end() == at:
            raise ValueError(f"no token at character {at}")
        at = found.end()
        if found.lastgroup is None:
            continue  # only blanks and comments were left
        count += 1
        if found["quote"]:
            at = _end_of_string(text, at, found["prefix"].lower(), found["quote"])
    return count


def _end_of_string(text: str, at: int, prefix: str, quote: str) -> int:
    """`at` stands behind the opening quote; the answer behind the closing one."""
    if "f" not in prefix and "t" not in prefix:
        return _need(_PLAIN_END[quote].match, text, at).end()
    step = (_RAW_STEP if "r" in prefix else _FORMATTED_STEP)[quote]
    while True:
        found = _need(step.search, text, at)
        at = found.end()
        if found["end"]:
            return at
        if found["field"]:
            at = _end_of_field(text, at)


def _end_of_field(text: str, at: int) -> int:
    """Behind the brace that closes a replacement field; strings inside may hold any quote."""
    depth = 0
    while True:
        found = _need(_FIELD_STEP.search, text, at)
        at = found.end()
        if found["quote"]:
            at = _end_of_string(text, at, found["prefix"].lower(), found["quote"])
        elif found["open"]:
            depth += 1
        elif found["close"]:
            if depth == 0:
                return at
            depth -= 1
        elif found["spec"] and depth == 0:
            return _end_of_spec(text, at)


def _end_of_spec(text: str, at: int) -> int:
    while True:
        found = _need(_SPEC_STEP.search, text, at)
        at = found.end()
        if found["close"]:
            return at
        at = _end_of_field(text, at)


def _need(look: Callable[[str, int], "re.Match[str] | None"], text: str, at: int) -> "re.Match[str]":
    found = look(text, at)
    if found is None:
        raise ValueError(f"a string does not end, after character {at}")
    return found
