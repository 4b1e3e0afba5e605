"""What is copied for one attempt, and how often it is tried: inputs before it starts, outputs and the manifest after its end.

Used by `attempt`. A few files are copied at a time, in threads. Who does not answer is asked again with growing pauses for as long as
`data_tries` says, and what was copied by then is kept.
"""

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple, TypeVar

import msgspec

from herder.agent.data import sources, uploads
from herder.agent.data.cache import InputCache
from herder.agent.data.downloads import Copied, Source, Watch, download
from herder.agent.data.local import open_own
from herder.agent.data.manifests import settled
from herder.agent.environment.clock import BackOff
from herder.agent.environment.connection import Refused, Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.model.values.phrases import clause, sentence
from herder.remote.object_stores.manifest import manifest_of
from herder.remote.object_stores.opening import DataFault, DataLater
from herder.wire.data import (
    OBJECT_SCHEMES,
    DataAnswer,
    DataPath,
    DataRequest,
    JobData,
    WrittenFile,
    manifest_url,
    outputs_of,
    read_url,
)
from herder.wire.worker.exchange import Assignment

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
#: Whatever is copied meanwhile: a store that breaks every time sends nothing useful.
ROUNDS_MAX = 200
#: Files for which the server is asked at a time.
SIGNED_AT_A_TIME = 1_000
STOP_S = 35.0
_ANSWER = msgspec.json.Decoder(DataAnswer)
MIB = 2**20


class Stopped(Exception):
    """The attempt is to end; raised in the threads that copy."""


class Brought(NamedTuple):
    """Bytes of all inputs; those of them that the cache had, and that it has now."""

    size: int = 0
    from_cache: int = 0
    in_cache: int = 0


class Copying:
    """What one attempt copies now. `stop` ends it within a piece. `user`: whose inputs it may find in the cache; empty: nobody's."""

    def __init__(
        self, assignment: Assignment, data: JobData, folder: str, *, contained: bool, user: str = ""
    ) -> None:
        self.assignment = assignment
        self.data = data
        self.outputs = outputs_of(data, assignment.job, assignment.attempt)
        self.folder = folder
        self.contained = contained
        self.user = user
        self.mark = f"{assignment.job}-{assignment.attempt}"
        self.stopped = threading.Event()
        self.pieces = 0
        """Copied in all: who copies something is not tried in vain."""
        self._total = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        self.pieces += 1
        self.look()

    def look(self) -> None:
        if self.stopped.is_set():
            raise Stopped

    def holds(self, found: Sequence[Source]) -> None:
        """The files of its inputs, with the sizes that are known. Raises DataFault."""
        self._total = sum(each.size or 0 for each in found)
        self._compare()

    def fits(self, source: Source, size: int) -> None:
        """One of them has this size: a web server says it only when it sends. Raises DataFault."""
        with self._lock:
            self._total += size - (source.size or 0)
            source.size = size
        self._compare()

    def _compare(self) -> None:
        most_mib = self.assignment.disk_mib
        if most_mib and self._total > most_mib * MIB:
            raise DataFault(
                f"The inputs have {self._total / MIB:,.1f} MiB; the disk of the job is {most_mib:,} MiB. Request more disk."
            )


class Transfers:
    def __init__(self, settings: AgentSettings, ports: AgentPorts) -> None:
        self._settings = settings
        self._ports = ports
        self._threads = ThreadPoolExecutor(settings.data_parallel, thread_name_prefix="herder-data")
        self._cache = InputCache(settings.folder, settings.data_cache_mib)
        self._coming: dict[str, asyncio.Future[None]] = {}
        """What is downloaded now and may be cached."""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._cache.close()

    async def bring(self, copying: Copying) -> Brought:
        """The inputs are in the folder then. Raises DataFault, DataLater, DataLacking or OSError."""
        known: dict[str, Source] = {}
        done: dict[str, Copied] = {}

        async def once() -> None:
            found = await self._sources(copying)
            for each in found:
                before = known.get(each.name)
                each.version = None if before is None else before.version
                each.size = before.size if each.size is None and before is not None else each.size
            known.update((each.name, each) for each in found)
            copying.holds(found)
            left = [each for each in found if each.name not in done]
            await self._in_turn(copying, left, lambda each: self._bring_one(copying, each, done))

        await self._tried(copying, once)
        return Brought(
            sum(each.size for each in done.values()),
            sum(each.size for each in done.values() if each.from_cache),
            sum(each.size for each in done.values() if each.in_cache),
        )

    async def send(self, copying: Copying, owner: int | None, *, lax: bool) -> tuple[int, str]:
        """Bytes of the outputs, and what is to be said of them. `lax`: of a failed attempt, what is there and without a manifest.
        Raises DataFault, DataLater, DataLacking or OSError."""
        assignment = copying.assignment
        found = await self._blocking(lambda: uploads.written(copying.folder, owner, copying.outputs, lax=lax))
        done: dict[tuple[int, str], WrittenFile] = {}
        holder = 0

        async def once() -> None:
            nonlocal holder
            holder = 0 if lax else await self._manifest(copying, ())
            if holder not in (0, assignment.attempt):
                return
            left = [each for each in found if (each.output, each.name) not in done]
            urls = await self._targets(copying, left)
            pairs = list(zip(left, urls, strict=True))
            await self._all(copying, pairs, lambda pair: self._send_one(copying, owner, pair, done))
            if not lax and found:
                holder = await self._manifest(copying, list(done.values()))

        await self._tried(copying, once)
        note = "" if holder in (0, assignment.attempt) else _OF_ANOTHER.format(holder)
        return sum(each.size for each in done.values()), note

    # --- inside

    async def _tried(self, copying: Copying, once: Callable[[], Awaitable[None]]) -> None:
        settings = self._settings
        back_off = BackOff(settings.data_retry_first_s, settings.data_retry_most_s, self._ports.chance)
        tries, pieces = 0, copying.pieces
        for left in reversed(range(ROUNDS_MAX)):
            try:
                await once()
                break
            except DataLater as error:
                if copying.pieces > pieces:
                    tries, pieces = 0, copying.pieces
                    back_off.reset()
                tries += 1
                if tries >= settings.data_tries or not left:
                    raise
                _LOG.warning(
                    "Data of job %s cannot be copied yet: %s.", copying.assignment.job, clause(error)
                )
            await asyncio.sleep(back_off.next_s())

    async def _blocking(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _all(self, copying: Copying, items: Sequence[T], copy: Callable[[T], None]) -> None:
        """Each in a thread. The first fault stops the others; it is raised when all have ended."""
        failed = threading.Event()
        faults: list[BaseException] = []

        def one(item: T) -> None:
            if failed.is_set() or copying.stopped.is_set():
                return
            try:
                copy(item)
            except Stopped:
                return
            except DataLater as error:
                faults.append(error)
            except Exception as error:  # noqa: BLE001 - told below, when no thread copies any more
                failed.set()
                faults.insert(0, error)

        running = [self._threads.submit(one, item) for item in items]
        try:
            await asyncio.gather(*map(asyncio.wrap_future, running))
        except asyncio.CancelledError:
            copying.stopped.set()
            # Nobody may write into the folder when it is removed; who hangs in a read is left to its time-out.
            await asyncio.get_running_loop().run_in_executor(None, lambda: wait(running, STOP_S))
            raise
        if faults:
            raise faults[0]

    # --- inputs

    async def _in_turn(
        self, copying: Copying, found: Sequence[Source], bring: Callable[[Source], None]
    ) -> None:
        """What another attempt downloads at this moment comes after the rest, since it will be in the cache then."""
        waited = [each for each in found if each.cache_as in self._coming]
        first = [each for each in found if each.cache_as not in self._coming]
        mine = {each.cache_as for each in first if each.cache_as}
        ended = asyncio.get_running_loop().create_future()
        before = {self._coming[each.cache_as] for each in waited}
        self._coming.update(dict.fromkeys(mine, ended))
        try:
            await self._all(copying, first, bring)
        except OSError as error:
            if error.errno == errno.ENOSPC and self._cache.empty():
                raise DataLater(
                    "The disk of this worker was full. Its cache of inputs was emptied."
                ) from None
            raise
        finally:
            for each in mine:
                del self._coming[each]
            ended.set_result(None)
        if waited:
            await asyncio.wait(before)
            await self._all(copying, waited, bring)

    async def _sources(self, copying: Copying) -> list[Source]:
        data = copying.data
        signed = [place for place, each in enumerate(data.inputs) if self._is_signed(each)]
        found: list[Source] = []
        if signed:
            answer = await self._ask(copying, DataRequest(step="inputs"))
            lacking = next((data.inputs[place] for place in answer.own if place in signed), None)
            if lacking is not None:
                raise _no_store(lacking)
            found += [sources.signed(data.inputs[each.input], each) for each in answer.inputs]
        own = [each for each in data.inputs if not self._is_signed(each)]
        if own:
            found += await self._blocking(
                lambda: sources.listed(own, self._settings, contained=copying.contained)
            )
        sources.check_names(found)
        if self._cache.on and copying.user:
            for each in found:
                each.cache_as = sources.cached_as(each, copying.user)
        return found

    def _is_signed(self, each: DataPath) -> bool:
        return self._settings.data_credentials != "worker" and read_url(each.url).scheme in OBJECT_SCHEMES

    def _bring_one(self, copying: Copying, source: Source, done: dict[str, Copied]) -> None:
        target = os.path.join(copying.folder, source.name)
        folders = self._settings.data_folders
        watch = Watch(copying.check, copying.look, self._ports.clock.monotonic_ms, copying.fits)
        done[source.name] = download(source, target, folders, watch, self._cache)

    # --- outputs

    async def _targets(self, copying: Copying, files: Sequence[WrittenFile]) -> list[str]:
        """A signed URL for each; empty: the worker opens it itself."""
        outputs = copying.outputs
        places = [place for place, each in enumerate(files) if self._is_signed(outputs[each.output])]
        urls = [""] * len(files)
        for start in range(0, len(places), SIGNED_AT_A_TIME):
            some = places[start : start + SIGNED_AT_A_TIME]
            request = DataRequest(step="outputs", files=[files[place] for place in some])
            answer = await self._ask(copying, request)
            for place, url in zip(some, answer.urls, strict=True):
                if not url:
                    raise _no_store(outputs[files[place].output])
                urls[place] = url
        return urls

    def _send_one(
        self,
        copying: Copying,
        owner: int | None,
        pair: tuple[WrittenFile, str],
        done: dict[tuple[int, str], WrittenFile],
    ) -> None:
        file, url = pair
        output = copying.outputs[file.output]
        source = open_own(copying.folder, uploads.inside(output, file.name), owner)
        try:
            summed = uploads.summed(source, file, copying.check)
            sources.put(source, output, file.name, url, copying, self._settings)
        finally:
            os.close(source)
        done[file.output, file.name] = summed

    async def _manifest(self, copying: Copying, files: Sequence[WrittenFile]) -> int:
        """Whose manifest there is; with files one is made if there is none. 0: there is none."""
        assignment = copying.assignment
        place = manifest_url(copying.data, assignment.job)
        if not place:
            return 0
        if self._is_signed(DataPath(url=place, path="")):
            answer = await self._ask(copying, DataRequest(step="manifest", files=list(files)))
            return answer.attempt
        content = manifest_of(assignment.job, assignment.attempt, copying.outputs, files) if files else b""
        mark, folders = copying.mark, self._settings.data_folders
        return await self._blocking(lambda: settled(place, content, mark, folders))

    async def _ask(self, copying: Copying, request: DataRequest) -> DataAnswer:
        """Raises DataFault for what the server says is wrong, DataLater when it cannot be asked."""
        path = f"/attempts/{copying.assignment.job}/{copying.assignment.attempt}/data"
        try:
            answer = _ANSWER.decode(await self._ports.network.call(path, msgspec.json.encode(request)))
        except (Unreachable, Rejected, Refused) as error:
            raise DataLater(sentence(str(error))) from None
        except msgspec.MsgspecError:
            raise DataLater("The server's answer about data cannot be read.") from None
        if answer.fault:
            raise (DataLater if answer.later else DataFault)(answer.fault)
        return answer


_OF_ANOTHER = "The outputs are those of attempt {}, which copied them before."


def _no_store(each: DataPath) -> DataFault:
    return DataFault(
        f"The server has no object store for {each.url}. Define one in object_stores, or give the worker its own "
        "credentials (HERDER_DATA_CREDENTIALS=worker)."
    )
