"""The program of the demo's counting jobs: `python -m herder.demo.count`, run by workers in a scratch folder.

Reads `task.json` (root, group, files) and writes to $HERDER_RESULT, for each file: SHA-256, bytes, lines, tokens, syntax-tree
nodes. Tokens are names, numbers, strings and operators; a string counts as one whatever is formatted into it. A file that is
no valid Python has no tokens and no nodes (null). Knows nothing of the recount, which must stay independent of it.
"""

import ast
import hashlib
import io
import json
import os
import sys
import token
import tokenize
import warnings
from pathlib import Path
from typing import TypedDict

BLOCK_BYTES = 64 * 1024
_COUNTED = frozenset({token.NAME, token.NUMBER, token.STRING, token.OP})
_OPENING = frozenset(getattr(token, name, -1) for name in ("FSTRING_START", "TSTRING_START"))
_CLOSING = frozenset(getattr(token, name, -1) for name in ("FSTRING_END", "TSTRING_END"))


class FileCount(TypedDict):
    sha256: str
    bytes: int
    lines: int
    tokens: int | None
    nodes: int | None


def count_file(path: Path) -> FileCount:
    digest, data = hashlib.sha256(), bytearray()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
            data += block
    source = bytes(data)
    lines = source.count(b"\n") + (not source.endswith(b"\n") if source else 0)
    try:
        nodes: int | None = sum(1 for _ in ast.walk(ast.parse(source)))
        tokens: int | None = _tokens(source)
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        nodes = tokens = None
    return {
        "sha256": digest.hexdigest(),
        "bytes": len(source),
        "lines": lines,
        "tokens": tokens,
        "nodes": nodes,
    }


def _tokens(source: bytes) -> int:
    count = depth = 0
    for kind, *_ in tokenize.tokenize(io.BytesIO(source).readline):
        if kind in _OPENING:
            count += depth == 0
            depth += 1
        elif kind in _CLOSING:
            depth -= 1
        elif depth == 0 and kind in _COUNTED:
            count += 1
    return count


def main() -> int:
    warnings.simplefilter("ignore")  # what a compiler thinks of old code is not asked here
    task = json.loads(Path("task.json").read_text(encoding="utf-8"))
    root = Path(task["root"])
    counts = {name: count_file(root / name) for name in task["files"]}
    result = {"group": task["group"], "files": counts}
    Path(os.environ["HERDER_RESULT"]).write_text(json.dumps(result), encoding="utf-8")
    tokens = sum(each["tokens"] or 0 for each in counts.values())
    sys.stdout.write(f"{task['group']}: {len(counts)} files, {tokens:,} tokens\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
