"""Signs URLs of object stores for the data of jobs, so that workers hold no credentials. Used by `workers/data.py`.

Everything here blocks, and runs in its caller's threads. A job can use the URLs that it names, if a store of `object_stores` is for them
and for its project, and nothing else.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from herder.remote.object_stores.listing import objects_of
from herder.remote.object_stores.manifest import manifest_of, settle
from herder.remote.object_stores.opening import DataFault, DataLater, open_bucket, told
from herder.settings.sections.jobs.object_stores import ObjectStore
from herder.wire.data import (
    DataPath,
    DataUrl,
    JobData,
    SignedInput,
    WrittenFile,
    manifest_url,
    outputs_of,
    read_url,
    url_below,
)
from herder.wire.file_names import parts_of

SIGNED_MAX = 20_000
"""Objects of all inputs of an attempt: each is a line in one answer."""


class Signing:
    """For one attempt. Raises DataFault, DataLater and DataLacking."""

    def __init__(self, stores: Sequence[ObjectStore], project: str) -> None:
        self._stores = [each for each in stores if not each.projects or project in each.projects]

    def inputs(self, data: JobData) -> tuple[list[SignedInput], list[int]]:
        """Each object of each input that a store is for; and the places of the other inputs."""
        out: list[SignedInput] = []
        own: list[int] = []
        for place, each in enumerate(data.inputs):
            settings = self._for(each.url)
            if settings is None:
                own.append(place)
                continue
            url = read_url(each.url)
            store = _opened(settings, url)
            found = objects_of(store, url, each.url)
            if len(out) + len(found) > SIGNED_MAX:
                raise DataFault(
                    f"The inputs of the job are more than {SIGNED_MAX:,} objects. Use workers with credentials of their own, or an archive."
                )
            signed = _signed(store, "GET", [one.key for one in found], settings, each.url)
            out += [
                SignedInput(input=place, name=one.name, url=link, size=one.size, e_tag=one.e_tag)
                for one, link in zip(found, signed, strict=True)
            ]
        return out, own

    def outputs(self, outputs: Sequence[DataPath], files: Sequence[WrittenFile]) -> list[str]:
        """Where to put each file; empty where no store is for it."""
        urls = [target(outputs, file) for file in files]
        out = [""] * len(files)
        by_output: dict[int, list[int]] = {}
        for place, file in enumerate(files):
            by_output.setdefault(file.output, []).append(place)
        for number, places in by_output.items():
            settings = self._for(outputs[number].url)
            if settings is None:
                continue
            store = _opened(settings, read_url(outputs[number].url))
            keys = [read_url(urls[place]).key for place in places]
            links = _signed(store, "PUT", keys, settings, outputs[number].url)
            for place, link in zip(places, links, strict=True):
                out[place] = link
        return out

    def manifest(self, data: JobData, job: int, attempt: int, files: Sequence[WrittenFile]) -> int:
        """Whose there is; with files it is created if there is none. 0: none, or no store is for it."""
        place = manifest_url(data, job)
        settings = self._for(place) if place else None
        if settings is None:
            return 0
        outputs = outputs_of(data, job, attempt)
        for file in files:
            target(outputs, file)
        url = read_url(place)
        content = manifest_of(job, attempt, outputs, files) if files else b""
        return settle(_opened(settings, url), url.key, content, place)

    def _for(self, url: str) -> ObjectStore | None:
        """The most exact one."""
        mine = [each for each in self._stores if url.startswith(each.url)]
        return max(mine, key=lambda each: len(each.url), default=None)


def target(outputs: Sequence[DataPath], file: WrittenFile) -> str:
    """The URL of a file. A worker cannot leave the output that it names. Raises DataFault."""
    if not 0 <= file.output < len(outputs):
        raise DataFault(f"The job has no output {file.output}.")
    url = outputs[file.output].url
    if file.name and (not url.endswith("/") or parts_of(file.name) is None):
        raise DataFault(f"{file.name[:100]!r} is not the name of a file of the output {url}.")
    try:
        return url_below(url, file.name)
    except ValueError as error:
        raise DataFault(f"A file of the output {url} cannot be named: {error}.") from None


def _opened(settings: ObjectStore, url: DataUrl) -> Any:
    key_id = _secret(settings, settings.key_id_env, settings.key_id_file)
    secret = _secret(settings, settings.secret_env, settings.secret_file)
    config: dict[str, Any] = {}
    if url.scheme == "s3":
        config = {"region": settings.region, "access_key_id": key_id, "secret_access_key": secret}
        if settings.endpoint:
            config |= {"endpoint": settings.endpoint, "virtual_hosted_style_request": False}
    elif url.scheme == "az":
        config = {"account_name": settings.account, "account_key": secret, "endpoint": settings.endpoint}
    elif secret:
        config = {"service_account_key": secret}
    return open_bucket(url, {key: value for key, value in config.items() if value != ""})


def _secret(settings: ObjectStore, variable: str, file: str) -> str:
    """Read each time, so that a new one counts at once. It is in no error. Raises DataLater."""
    if variable:
        if not os.environ.get(variable):
            raise DataLater(
                f"The server cannot open the object store {settings.name}: its environment has no {variable}."
            )
        return os.environ[variable]
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise DataLater(
            f"The server cannot open the object store {settings.name}: {file}: {reason}."
        ) from None


def _signed(store: Any, method: Any, keys: list[str], settings: ObjectStore, shown: str) -> list[str]:
    import obstore

    with told(shown):
        return list(obstore.sign(store, method, keys, timedelta(seconds=settings.signed_for_s)))
