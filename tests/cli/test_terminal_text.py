"""What jobs printed, on a terminal: colours stay, nothing else reaches it; in whatever pieces it comes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from herder.cli.output.terminal_text import TerminalText

RED = "\x1b[31m"


def shown(*pieces: str, terminal: bool = True) -> str:
    text = TerminalText(terminal)
    return "".join([*(text.of(piece) for piece in pieces), text.rest()])


def test_colours_stay_and_end_with_the_output() -> None:
    assert shown(f"{RED}bad\r\n\tdone") == f"{RED}bad\r\n\tdone\x1b[0m"
    assert shown("plain\n") == "plain\n"


def test_what_moves_a_cursor_or_sets_a_title_is_shown_as_an_escape() -> None:
    assert shown("a\x1b[2Jb\x07\x1b]0;t\x9bc\u202e") == "a\\x1b[2Jb\\x07\\x1b]0;t\\x9bc\\u202e"


def test_a_colour_that_was_cut_in_two_is_one() -> None:
    assert shown("a\x1b", "[3", "1mb") == f"a{RED}b\x1b[0m"
    assert shown("a\x1b[3") == "a\\x1b[3"


def test_a_pipe_gets_everything() -> None:
    assert shown("a\x1b[2J\x07", terminal=False) == "a\x1b[2J\x07"


@given(st.lists(st.text("\x1b[31;m\x07aé\n")))
def test_nothing_but_colours_reaches_the_terminal(pieces: list[str]) -> None:
    found = shown(*pieces)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", re.sub(r"\x1b\[[0-9;]*m", "", found))
    assert found == shown("".join(pieces))
