"""The files of `static/`: read once, served from memory under names with their hash, so that browsers may cache them without limit.

A request can only name what was found at the start; no path of the file system is ever built from it.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import PlainTextResponse, Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    body: bytes
    media_type: str
    digest: str


@cache
def static_files() -> dict[str, StaticFile]:
    """By path under `static/`. Only types that a page asks for: licences and pins stay in the package."""
    found = {}
    for path in sorted(_FOLDER.rglob("*")):
        media_type = _TYPES.get(path.suffix)
        if media_type is not None and path.is_file():
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            found[path.relative_to(_FOLDER).as_posix()] = StaticFile(body, media_type, digest)
    return found


def static_url(path: str) -> str:
    return f"/static/{path}?v={static_files()[path].digest}"


def static_response(path: str, version: str | None) -> Response:
    found = static_files().get(path)
    if found is None:
        return PlainTextResponse(f"There is no file {path!r}.\n", status_code=404)
    keep = _FOR_GOOD if version == found.digest else "no-cache"
    return Response(found.body, media_type=found.media_type, headers={"Cache-Control": keep})
