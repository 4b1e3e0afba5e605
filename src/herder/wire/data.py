"""Data of jobs by URL: what a job says, what a worker asks its server about it, and how the URLs are read.

Read alike by the server, which checks and signs, and by the agent, which copies.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import msgspec

from herder.wire.file_names import parts_of

OBJECT_SCHEMES = ("s3", "gs", "az")
SCHEMES = ("file", "http", "https", *OBJECT_SCHEMES)
URL_BYTES = 4_096
_GLOB = re.compile(r"[*?\[]")


class DataPath(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Of an input: what is at `url` is found at `path` in the job's folder. Of an output: what is at `path` is copied to `url`."""

    url: str
    path: str
    sha256: str = ""
    """Of an input that is one file: what its content must have, in hexadecimal digits."""


class JobData(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Files, folders (a URL or path that ends with /) and patterns (*, ?, [...], ** over folders) that a job reads and writes."""

    inputs: list[DataPath] = []
    outputs: list[DataPath] = []
    always_copy_output: bool = False
    """Also when the job has failed: what is there of its outputs."""
    checkpoint: str = ""
    """The URL of a folder that the job's workers share, file:///…/: in it the job has a folder that its next attempt finds again."""
    mark: str = ""
    """Given by the server: in the name of the manifest, so that no other job has the same."""


class WrittenFile(msgspec.Struct, kw_only=True, array_like=True):
    """A file of an output: which output, its name below the output's URL (empty: the URL itself), bytes, and sum."""

    output: int
    name: str
    size: int
    sha256: str = ""


class DataRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """About an attempt that the worker holds: where its inputs are, where its outputs may be put, that all of them are there."""

    step: Literal["inputs", "outputs", "manifest"]
    files: list[WrittenFile] = []


class SignedInput(msgspec.Struct, kw_only=True, array_like=True):
    """One object of an input, its name below the input's path (empty: the path itself), and a URL that needs no credentials."""

    input: int
    name: str
    url: str
    size: int
    e_tag: str = ""


class DataAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    inputs: list[SignedInput] = []
    urls: list[str] = []
    """Where to PUT each file that was asked for, in that order; empty: the server has no store for it."""
    own: list[int] = []
    """Inputs for which the server has no store."""
    attempt: int = 0
    """Whose manifest there is; 0: none, nor can the server write one."""
    fault: str = ""
    """What keeps the data from being copied, as a sentence; the attempt is to fail with it."""
    later: bool = False
    """It is a fault of the store, which may be over later."""


class DataUrl(NamedTuple):
    """`host`: of an object store, its bucket. `key`: what is to be found there, without a slash at its beginning."""

    scheme: str
    host: str
    key: str

    @property
    def is_folder(self) -> bool:
        return not self.key or self.key.endswith("/")

    @property
    def is_glob(self) -> bool:
        return self.scheme not in ("http", "https") and _GLOB.search(self.key) is not None

    @property
    def prefix(self) -> str:
        """The folder of what a folder or a pattern names, with its slash."""
        return folder_of(self.key) if self.is_glob else self.key

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]


def has_data(payload: msgspec.Raw) -> bool:
    """Whether a payload, as the server encodes it, has any: it is its first field. Asked of every attempt, so nothing is decoded."""
    return bytes(memoryview(payload)[:8]) == b'{"data":'


def read_url(text: str) -> DataUrl:
    """Raises ValueError with a clause that says what is wrong."""
    scheme, colon, _ = text.partition("://")
    if not colon or scheme not in SCHEMES:
        raise ValueError(f"{text[:80]!r} is not a URL of data; begin it with {', '.join(SCHEMES)} and ://")
    if len(text.encode(errors="replace")) > URL_BYTES or not text.isprintable():
        raise ValueError(f"{text[:80]!r} is longer than {URL_BYTES:,} bytes or has unprintable characters")
    if scheme in OBJECT_SCHEMES:
        host, _, key = text.partition("://")[2].partition("/")
        bad = not re.fullmatch(r"[A-Za-z0-9._-]+", host) or ".." in key.split("/") or "//" in key
        if bad or key.startswith("/"):
            raise ValueError(f"{text[:80]!r} is not the URL of an object; write {scheme}://BUCKET/KEY")
        return DataUrl(scheme, host, key)
    if scheme == "file":
        path = unquote(text.partition("://")[2])
        if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise ValueError(f"{text[:80]!r} is not the URL of a file; write file:///ABSOLUTE/PATH")
        return DataUrl(scheme, "", path[1:])
    try:
        parts = urlsplit(text)
        host, key = parts.netloc, parts.path[1:]
        right = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        host, key, right = "", "", False
    if not right:
        raise ValueError(
            f"{text[:80]!r} is not a web address without a user name; write {scheme}://HOST/PATH"
        )
    return DataUrl(scheme, host, key)


def url_below(url: str, name: str) -> str:
    """Of a file of an output, by its name below the URL (empty: the URL itself). Raises ValueError for a name that no URL can have."""
    if name and not url.startswith(tuple(f"{each}://" for each in OBJECT_SCHEMES)):
        name = quote(name)  # `read_url` takes the key of an object as it is, and unquotes a path
    read_url(url + name)
    return url + name


def path_fault(path: str) -> str:
    """What is wrong with a path in the job's folder, as a clause; empty: nothing. `./` and an empty one are the folder itself."""
    inside = path.removeprefix("./").removesuffix("/")
    if inside in ("", ".") or parts_of(inside) is not None:
        return ""
    return f"{path[:80]!r} is not a relative path without '..', such as data/in.txt or data/"


def folder_of(key: str) -> str:
    """The part of a pattern before its first folder or name with *, ? or [, with its slash."""
    found = _GLOB.search(key)
    return key[: key.rfind("/", 0, found.start()) + 1] if found else key[: key.rfind("/") + 1]


def is_pattern(path: str) -> bool:
    return _GLOB.search(path) is not None


def manifest_url(data: JobData, job: int) -> str:
    """Beside the first output that a manifest can be written for, in a folder that is the same for all attempts; empty: none."""
    for each in data.outputs:
        if not each.url.startswith(("http://", "https://")):
            url = each.url.partition("{attempt}")[0].replace("{job}", str(job))
            return f"{url[: url.rfind('/') + 1]}job-{job}-{data.mark}.manifest.json"
    return ""


#: What attempts write into: a folder in that of the job.
CHECKPOINT_FILES = "files"


def checkpoint_name(data: JobData, job: int) -> str:
    """Of the job's folder below its `checkpoint`, the same for all attempts."""
    return f"job-{job}-{data.mark}"


def checkpoint_path(data: JobData | None, job: int) -> str:
    """Where attempts find it on their worker; empty: the job has none."""
    if data is None or not data.checkpoint:
        return ""
    return f"/{read_url(data.checkpoint).key}{checkpoint_name(data, job)}/{CHECKPOINT_FILES}"


def outputs_of(data: JobData, job: int, attempt: int) -> list[DataPath]:
    """With {job} and {attempt} in their URLs filled in."""
    return [
        DataPath(url=each.url.replace("{job}", str(job)).replace("{attempt}", str(attempt)), path=each.path)
        for each in data.outputs
    ]
