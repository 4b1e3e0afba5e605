"""Patterns of the names of inputs and outputs: what they mean, and that no pattern takes long."""

import re
import time
from itertools import pairwise, product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from herder.remote.object_stores.listing import pattern_of
from herder.remote.object_stores.opening import DataFault
from herder.wire.patterns import Pattern


@pytest.mark.parametrize(
    ("pattern", "names", "others"),
    [
        ("out/*.txt", ["out/.txt", "out/a.txt", "out/a.txt.txt"], ["out/a/b.txt", "out/a.tx", "xout/a.txt"]),
        ("a?c", ["abc", "a?c"], ["a/c", "ac", "abbc"]),
        ("**/b", ["b", "a/b", "a/c/b"], ["ab", "a/ab", "b/"]),
        ("a/**/b*", ["a/b", "a/bb", "a/x/y/b1"], ["ab", "a/xb", "a/b/c"]),
        ("a**/b", ["a/b", "ax/b", "a/x/b"], ["ab"]),
        ("a**", ["a", "ab/c"], ["b"]),
        ("**/**/*x", ["x", "a/b/cx"], ["", "x/"]),
        ("****/x", ["/x", "a/x"], ["x", "y"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "x", "/x"]),
        ("[!a-c]x", ["dx", "-x"], ["ax", "/x"]),
        ("[^ab]", ["c"], ["a", "^ab"]),
        ("[]-]", ["]", "-"], ["a"]),
        ("[!]]", ["a"], ["]"]),
        ("[a", ["[a"], ["a"]),
        ("a.b+(", ["a.b+("], ["axb+("]),
    ],
)
def test_what_a_pattern_names(pattern: str, names: list[str], others: list[str]) -> None:
    wanted = Pattern(pattern)
    assert [each for each in (*names, *others) if wanted.matches(each)] == names


#: What each piece of a pattern is as a regular expression.
PIECES = {"*": "[^/]*", "?": "[^/]", "**": ".*", "/**/": "/(?:.*/)?", "/": "/", "a": "a", "[!a]": "[^a/]"}
NAMES = ["".join(each) for length in range(6) for each in product("ab/", repeat=length)]


@given(st.lists(st.sampled_from(sorted(PIECES)), max_size=6))
def test_it_agrees_with_regular_expressions(pieces: list[str]) -> None:
    text = "".join(pieces)
    # Cut into other pieces than these otherwise.
    assume("***" not in text and len(re.findall(r"(?:^|(?<=/))\*\*/", text)) == pieces.count("/**/"))
    assume(not any(one == two == "*" for one, two in pairwise(pieces)))
    expression = re.compile("".join(PIECES[each] for each in pieces), re.DOTALL)
    wanted = Pattern(text)
    assert [name for name in NAMES if wanted.matches(name)] == [
        name for name in NAMES if expression.fullmatch(name)
    ]


@pytest.mark.parametrize(
    "pattern", ["*a" * 8 + "b", "*a*" * 600 + "b", "**a" * 600 + "b", "**/****/" * 300 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    wanted = Pattern(pattern)
    began = time.thread_time()
    assert not wanted.matches("a" * 1_000)
    assert not wanted.matches("a/" * 500)
    assert time.thread_time() - began < 5  # of the processor: milliseconds; with backtracking for ever


def test_a_range_that_is_none_is_told() -> None:
    with pytest.raises(
        DataFault, match=r"^The pattern x/\[z-a\] cannot be used: \[z-a\] has the range z-a, "
    ):
        pattern_of("x/[z-a]")
