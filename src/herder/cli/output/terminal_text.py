"""What programs have printed, as a terminal may have it: colours stay, and what moves the cursor, sets titles or rings is shown as an escape.

Used for outputs of jobs, which anybody may have written and which may be binary. A pipe or a file gets everything as it is.
"""

import re

from herder.cli.output.humanize import visible

_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,40}m)")
_BEGUN = re.compile(r"\x1b(\[[0-9;]{0,40})?$")
_KEPT = "\n\t\r"


class TerminalText:
    """Takes the text in pieces, which may cut a colour in two."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._begun = ""
        self._coloured = False

    def of(self, piece: str) -> str:
        if not self._terminal:
            return piece
        text = self._begun + piece
        begun = _BEGUN.search(text)
        self._begun = text[begun.start() :] if begun else ""
        return self._clean(text[: begun.start()] if begun else text)

    def rest(self) -> str:
        """What is left at the end; and the terminal's own colours again."""
        return self._clean(self._begun) + ("\x1b[0m" if self._coloured else "")

    def _clean(self, text: str) -> str:
        parts = _COLOUR.split(text)
        self._coloured = self._coloured or len(parts) > 1
        return "".join(part if place % 2 else visible(part, keep=_KEPT) for place, part in enumerate(parts))
