"""The texts in the source that people may read: string literals with words in them, as one writes them. For the tests of this folder."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "herder"
#: Stands for a value in a text.
VALUE = "{}"
_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? [A-Za-z{]+[,;:.]? [A-Za-z{]")
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|PRAGMA|SET|CAST|COALESCE|ISOLATION)\b")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every literal that reads like words: no docstrings, no SQL."""
    tree = ast.parse(path.read_text())
    skipped = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        text = None if id(node) in skipped else text_of(node)
        if text is not None and _WORDS.search(text) and not _SQL.search(text):
            yield getattr(node, "lineno", 0), text


def calls(path: Path, names: frozenset[str]) -> Iterator[tuple[int, str, list[str]]]:
    """(line, name, texts of its arguments) of every call of one of these, as `raise Conflict("…", hint="…")`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in names:
            given = [
                *node.args,
                *(
                    each.value
                    for each in node.keywords
                    if each.arg in ("hint", "message", "remedy", "text", "would")
                ),
            ]
            yield node.lineno, name, [text for each in given for text in _alternatives(each)]


def _alternatives(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _alternatives(node.body)
        yield from _alternatives(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for each in node.values:
            yield from _alternatives(each)
    elif (text := text_of(node)) is not None and " " in text:
        yield text


def text_of(node: ast.AST) -> str | None:
    """With `{}` for each value of an f-string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
    return None


def _docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for each in body:
                if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                    yield each.value
