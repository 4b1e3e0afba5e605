"""Patterns of names: * and ? stay within a name, [...] is one character of it, ** goes over folders.

Matched in a time that grows with the name and not with what the pattern makes of it: jobs write the patterns, and a server reads them.
All places of the pattern that fit so far are bits of one number, which each character of the name moves on.
"""

from collections.abc import Callable

_STAR, _ANY, _FOLDERS = "*", "**", "**/"
_Fits = Callable[[str], bool]


class Pattern:
    """Raises ValueError with a clause that says what is wrong."""

    def __init__(self, text: str) -> None:
        self._fits: list[_Fits | None] = []
        """What a character must be to get from each place to the next; None where the next is reached without one."""
        self._within = self._over = self._free = self._skips = 0
        gap = ""
        for token in _tokens(text):
            if not isinstance(token, str):
                self._fits.append(token)
            elif gap and _ANY in (gap, token):
                gap = self._widen(gap)
                continue
            elif gap != token:
                self._gap(token)
            gap = token if isinstance(token, str) else ""
        self._end = 1 << len(self._fits)
        self._begin = self._reached(1)
        self._moves: dict[str, int] = {}

    def matches(self, name: str) -> bool:
        at = self._begin
        for character in name:
            moves = self._moves.get(character)
            if moves is None:
                moves = self._moves[character] = self._move(character)
            stays = self._over if character == "/" else self._over | self._within
            at = self._reached((at & moves) << 1 | at & stays)
            if not at:
                return False
        return bool(at & self._end)

    # --- inside

    def _gap(self, token: str) -> None:
        here = 1 << len(self._fits)
        if token == _FOLDERS:
            # Either nothing, or all up to a slash.
            self._free |= here
            self._skips |= here
            self._over |= here << 1
            self._fits += [None, _is_slash]
            return
        self._free |= here
        if token == _ANY:
            self._over |= here
        else:
            self._within |= here
        self._fits.append(None)

    def _widen(self, gap: str) -> str:
        """The gap before this one becomes **, which has both in it."""
        for _ in range(2 if gap == _FOLDERS else 1):
            self._fits.pop()
        below = (1 << len(self._fits)) - 1
        for name in ("_within", "_over", "_free", "_skips"):
            setattr(self, name, getattr(self, name) & below)
        self._gap(_ANY)
        return _ANY

    def _reached(self, at: int) -> int:
        """With the places that need no character. No three gaps stand side by side, so this ends soon."""
        while True:
            more = at | (at & self._free) << 1 | (at & self._skips) << 2
            if more == at:
                return at
            at = more

    def _move(self, character: str) -> int:
        return sum(
            1 << place for place, fits in enumerate(self._fits) if fits is not None and fits(character)
        )


def _tokens(text: str) -> list[str | _Fits]:
    out: list[str | _Fits] = []
    at = 0
    while at < len(text):
        if text.startswith("**/", at) and (not at or text[at - 1] == "/"):
            out.append(_FOLDERS)
            at += 3
        elif text.startswith("**", at):
            out.append(_ANY)
            at += 2
        elif text[at] == "[" and (end := text.find("]", at + 2 + (text[at + 1 : at + 2] in ("!", "^")))) > 0:
            out.append(_one_of(text[at + 1 : end]))
            at = end + 1
        elif text[at] == "*":
            out.append(_STAR)
            at += 1
        else:
            out.append(_is_no_slash if text[at] == "?" else text[at].__eq__)
            at += 1
    return out


def _one_of(inside: str) -> _Fits:
    """Of what stands between brackets. Raises ValueError."""
    wanted = not inside.startswith(("!", "^"))
    rest = inside if wanted else inside[1:]
    ranges: list[tuple[str, str]] = []
    while rest:
        if len(rest) > 2 and rest[1] == "-":
            if rest[0] > rest[2]:
                raise ValueError(f"[{inside[:80]}] has the range {rest[:3]}, which ends before it begins")
            ranges.append((rest[0], rest[2]))
            rest = rest[3:]
        else:
            ranges.append((rest[0], rest[0]))
            rest = rest[1:]

    def fits(character: str) -> bool:
        found = any(first <= character <= last for first, last in ranges)
        return character != "/" and found == wanted

    return fits


def _is_slash(character: str) -> bool:
    return character == "/"


def _is_no_slash(character: str) -> bool:
    return character != "/"
