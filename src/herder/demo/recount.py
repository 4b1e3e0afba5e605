"""The demo's own count of the same files, in its own process and by other means than the jobs', to check their result.

Lines by iterating over the file, tokens by `lexer`, nodes by walking the fields of the compiled tree, the digest over files as
they are read whole. It shares no code with `count.py` and `merge.py`; both sides call a file unparsed that does not compile.
"""

import ast
import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herder.demo.lexer import count_tokens

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"^[ \t\f]*(?:#.*)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One file. `tokens` and `nodes` are None when it does not compile."""

    sha256: str
    size_bytes: int
    lines: int
    tokens: int | None
    nodes: int | None


@dataclass(slots=True)
class Recount:
    """Files by path, and what they come to."""

    by_file: dict[str, Counted] = field(default_factory=dict)

    def totals(self) -> dict[str, Any]:
        """In the form that the merge job answers."""
        every = list(self.by_file.values())
        digest = hashlib.sha256()
        for path, counted in sorted(self.by_file.items()):
            digest.update(f"{counted.sha256}  {path}\n".encode())
        return {
            "files": len(every),
            "unparsed": len([each for each in every if each.nodes is None]),
            "bytes": sum(each.size_bytes for each in every),
            "lines": sum(each.lines for each in every),
            "tokens": sum(each.tokens for each in every if each.tokens is not None),
            "nodes": sum(each.nodes for each in every if each.nodes is not None),
            "sha256": digest.hexdigest(),
        }


def recount(root: Path, files: Sequence[str], between: Callable[[], None]) -> Recount:
    """`between` is called after each file: the screen must go on meanwhile."""
    result = Recount()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in files:
            result.by_file[name] = count_again(root / name)
            between()
    return result


def count_again(path: Path) -> Counted:
    with path.open("rb") as file:
        rows = list(file)
    data = b"".join(rows)
    try:
        tree = compile(data, str(path), "exec", ast.PyCF_ONLY_AST)
        nodes: int | None = _nodes(tree)
        tokens: int | None = count_tokens(_text(rows))
    except (SyntaxError, ValueError, RecursionError):
        nodes = tokens = None
    return Counted(
        sha256=hashlib.new("sha256", data).hexdigest(),
        size_bytes=path.stat().st_size,
        lines=len(rows),
        tokens=tokens,
        nodes=nodes,
    )


def _nodes(tree: ast.AST) -> int:
    count, waiting = 0, [tree]
    while waiting:
        node = waiting.pop()
        count += 1
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [each for each in value if isinstance(each, ast.AST)]
    return count


def _text(rows: Sequence[bytes]) -> str:
    """Decoded as its first two lines say (PEP 263), with plain line ends."""
    encoding = "utf-8-sig"
    for row in rows[:2]:
        named = _COOKIE.match(row)
        if named:
            encoding = named[1].decode("ascii")
            break
        if not _BLANK.match(row.rstrip(b"\r\n")):
            break
    try:
        text = b"".join(rows).decode(encoding)
    except LookupError as error:
        raise ValueError(str(error)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
