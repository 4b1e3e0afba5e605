"""Where each file of an input comes from, and where one of an output goes, when the worker itself opens the place. Used by `transfers`.

Everything here blocks, and runs in its threads.
"""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Protocol
from urllib.parse import urlsplit

from herder.agent.data import local, uploads
from herder.agent.data.downloads import Check, Source
from herder.agent.environment.settings import AgentSettings
from herder.remote.object_stores.listing import objects_of
from herder.remote.object_stores.opening import DataFault, open_bucket, plain
from herder.wire.data import DataPath, DataUrl, SignedInput, folder_of, read_url
from herder.wire.file_names import file_and_folder, parts_of


class Attempt(Protocol):
    """Whose file it is; implemented by `transfers.Copying`."""

    contained: bool
    mark: str
    """Of the attempt."""

    def check(self) -> None: ...


def listed(inputs: Iterable[DataPath], settings: AgentSettings, *, contained: bool) -> list[Source]:
    """The files of inputs. Raises DataFault, DataLater, DataLacking or OSError."""
    out: list[Source] = []
    for each in inputs:
        url = read_url(each.url)
        if url.scheme == "file":
            out += _local(each, url, settings.data_folders)
        elif url.scheme in ("http", "https"):
            allow = partial(check_host, hosts=settings.data_hosts, contained=contained)
            allow(each.url)
            name = _name(each, "")
            out.append(Source(name=name, shown=each.url, address=each.url, allow=allow, sha256=each.sha256))
        else:
            store = open_bucket(url)
            out += [
                Source(
                    name=_name(each, found.name),
                    shown=f"{url.scheme}://{url.host}/{found.key}",
                    store=store,
                    key=found.key,
                    size=found.size,
                    e_tag=found.e_tag,
                    sha256=each.sha256,
                )
                for found in objects_of(store, url, each.url)
            ]
    return out


def signed(each: DataPath, found: SignedInput) -> Source:
    url = read_url(each.url)
    shown = f"{url.scheme}://{url.host}/{url.prefix}{found.name}" if found.name else each.url
    return Source(
        name=_name(each, found.name),
        shown=shown,
        address=found.url,
        signed=True,
        size=found.size,
        e_tag=found.e_tag,
        sha256=each.sha256,
    )


def cached_as(source: Source, user: str) -> str:
    """Whose it is and where it comes from. Empty for a file of this machine: a copy of the cache would come no sooner."""
    if source.path:
        return ""
    place = plain(source.address) if source.signed else source.address or source.shown
    return f"{user}\0{place}"


def check_names(found: Sequence[Source]) -> None:
    """Raises DataFault: names of objects are anything, those of files are not."""
    bad = next((each for each in found if parts_of(each.name) is None), None)
    if bad is not None:
        raise DataFault(
            f"{bad.shown} cannot be a file: {bad.name[:100]!r} is not a path below the job's folder."
        )
    names: set[str] = set()
    for each in found:
        if each.name in names:
            raise DataFault(f"Two inputs have the path {each.name}.")
        names.add(each.name)
    both = file_and_folder(names)
    if both is not None:
        raise DataFault(f"The input {both} is also the folder of another input.")


def check_host(url: str, hosts: Sequence[str], *, contained: bool) -> None:
    """Raises DataFault for an address that the agent may not fetch for a job in a container."""
    host = urlsplit(url).hostname or ""
    if contained and "*" not in hosts and host not in hosts:
        allowed = ", ".join(hosts) or "none"
        raise DataFault(
            f"The job, which runs in a container, uses data of {host}, which this worker does not allow. "
            f"Allowed hosts: {allowed} (HERDER_DATA_HOSTS)."
        )


def put(
    source: int, output: DataPath, name: str, address: str, attempt: Attempt, settings: AgentSettings
) -> None:
    """One file of an output. `address`: signed by the server; empty: the worker opens the place itself."""
    target = uploads.target_of(output, name)
    check: Check = attempt.check
    if address:
        uploads.to_address(source, address, target, check)
        return
    url = read_url(target)
    if url.scheme == "file":
        uploads.to_folder(source, f"/{url.key}", attempt.mark, settings.data_folders, check)
    elif url.scheme in ("http", "https"):
        check_host(target, settings.data_hosts, contained=attempt.contained)
        uploads.to_address(source, target, target, check)
    else:
        uploads.to_store(source, open_bucket(url), url.key, target)


def _local(each: DataPath, url: DataUrl, folders: Sequence[str]) -> list[Source]:
    path = f"/{url.key}"
    if not (url.is_folder or url.is_glob):
        size = _size(path, folders)
        return [Source(name=_name(each, ""), shown=each.url, path=path, size=size, sha256=each.sha256)]
    prefix = folder_of(path) if url.is_glob else path
    real = os.path.realpath(prefix)
    if not local.may_use(real, folders):
        raise local.not_allowed(path, folders)
    if not os.path.isdir(real):
        raise DataFault(f"{each.url} does not exist.")
    top = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        names = local.named_by(top, path.removeprefix(prefix) if url.is_glob else "")
    finally:
        os.close(top)
    if not names:
        raise DataFault(f"{each.url} names no file.")
    return [
        Source(
            name=_name(each, name),
            shown=f"file://{prefix}{name}",
            path=f"{prefix}{name}",
            size=_size(f"{prefix}{name}", folders),
        )
        for name in names
    ]


def _size(path: str, folders: Sequence[str]) -> int:
    descriptor = local.open_allowed(path, folders)
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _name(each: DataPath, name: str) -> str:
    """Where the job finds it: below the path for what a folder or a pattern names."""
    path = each.path.removeprefix("./")
    if name:
        return f"{path.rstrip('/')}/{name}" if path.rstrip("/") else name
    return path + read_url(each.url).name if path.endswith("/") or not path else path
