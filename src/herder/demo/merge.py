"""The program of the demo's merge jobs: `python -m herder.demo.merge`, run by a worker when every counting job has ended.

Reads `parents.json` (its parents' results, put there by the server) and writes the totals to $HERDER_RESULT, with one SHA-256
over all files: of the lines "digest, two spaces, path" in the order of the paths, as `sha256sum` writes them.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TypedDict

from herder.demo.count import FileCount


class Totals(TypedDict):
    files: int
    unparsed: int
    bytes: int
    lines: int
    tokens: int
    nodes: int
    sha256: str


def merge(counts: dict[str, FileCount]) -> Totals:
    listing = "".join(f"{counts[path]['sha256']}  {path}\n" for path in sorted(counts))
    return {
        "files": len(counts),
        "unparsed": sum(each["nodes"] is None for each in counts.values()),
        "bytes": sum(each["bytes"] for each in counts.values()),
        "lines": sum(each["lines"] for each in counts.values()),
        "tokens": sum(each["tokens"] or 0 for each in counts.values()),
        "nodes": sum(each["nodes"] or 0 for each in counts.values()),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }


def main() -> int:
    parents = json.loads(Path("parents.json").read_text(encoding="utf-8"))
    counts: dict[str, FileCount] = {}
    for parent in parents:
        if parent["result"] is None:
            sys.stderr.write(f"job {parent['job']} ({parent['key']}) left no result\n")
            return 1
        counts |= parent["result"]["files"]
    Path(os.environ["HERDER_RESULT"]).write_text(json.dumps(merge(counts)), encoding="utf-8")
    sys.stdout.write(f"merged {len(parents)} results: {len(counts)} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
