"""One warm interpreter as the agent sees it, and the children that it has forked and that wait to be told what to run.

Owned by `templates`. All of it happens in the event loop, and nothing waits: an interpreter that does not answer delays nothing.
"""

import asyncio
import itertools
import json
import logging
import os
import signal
import socket
import struct
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import resources
from typing import NamedTuple

from herder.agent.processes import process_table
from herder.agent.processes.cgroup import Cgroup
from herder.agent.processes.run_as import Identity
from herder.agent.processes.spawn import text_as_file

_LOG = logging.getLogger(__name__)
#: Forked ahead, so that the next attempt need not wait for its fork.
_SPARES = 2
#: Requests to fork that are under way at a time: what its socket takes without waiting.
_ASKED_MOST = 8
#: Of the memory in which /proc shows the environment: room for the marks of an attempt.
ROOM_BYTES = 1024
_ROOM = "HERDER_ROOM"
#: Of `struct ucred`: process, user, group.
_CREDENTIALS = struct.Struct("3i")
_NAMES = itertools.count(1)


class Key(NamedTuple):
    """Attempts that may be forks of the same interpreter."""

    user: str
    program: str
    preload: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


class Child:
    """A forked process, which runs nothing before `begin`. It is a child of the agent, to be waited for as any."""

    def __init__(self, pid: int, leash: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.leash = leash

    def is_alive(self) -> bool:
        """As far as can be known: nothing but its end is heard of it."""
        try:
            return bool(self.leash.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def begin(self, order: Mapping[str, object], stdin: int, output: int) -> None:
        """Raises OSError when it is dead."""
        text = text_as_file(json.dumps(order))
        try:
            socket.send_fds(self.leash, [b"x"], [stdin, output, text])
        finally:
            os.close(text)
            self.leash.close()

    def poll(self) -> int | None:
        if self.returncode is None:
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.leash.close()

    def wait(self) -> int:
        """Only after `kill`."""
        if self.returncode is None:
            with suppress(ChildProcessError):
                self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode or 0


Taker = Callable[[Child | None], bool]
"""Is given a child, or None when there will be none; whether it has taken it."""


class Template:
    def __init__(
        self,
        key: Key,
        environment: Mapping[str, str],
        identity: Identity | None,
        *,
        ended: "Callable[[Template, str], None]",
        preload: tuple[str, ...],
        cgroup: Cgroup | None,
    ) -> None:
        """Raises OSError or ValueError when it cannot be started; the caller keeps `cgroup` then. `ended` is called once, with the reason, when it can fork no more."""
        self.key = key
        self.preload = preload
        self.name = str(next(_NAMES))
        self.cgroup = cgroup
        self.ready = False
        self._broken = False
        self.waiting: deque[Taker] = deque()
        self._loop = asyncio.get_running_loop()
        self.used_at = self._loop.time()
        self._spares: deque[Child] = deque()
        self._asked: set[socket.socket] = set()
        self._ended = ended
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            marked = {**environment, process_table.TEMPLATE: self.name}
            self._process = _started(key.program, preload, marked, identity, theirs)
        except (OSError, ValueError):
            self._control.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        if cgroup is not None:
            self._join(cgroup)
        self._control.setblocking(False)
        self._loop.add_reader(self._control, self._heard)

    def spare(self) -> Child | None:
        """One that waits already."""
        self.used_at = self._loop.time()
        while self._spares and not self.waiting:
            child = self._spares.popleft()
            self._loop.remove_reader(child.leash)
            if child.is_alive():
                # The next one is forked when this one runs: what it needs is done first.
                self._loop.call_soon(self._fill)
                return child
            child.leash.close()
        return None

    def wait(self, taker: Taker) -> None:
        self.used_at = self._loop.time()
        self.waiting.append(taker)
        self._fill()

    def keeps(self, pid: int) -> bool:
        """Whether it is the interpreter or a fork of it; of a fork that is under way the number is not known yet."""
        return bool(self._asked) or pid == self.pid or any(pid == each.pid for each in self._spares)

    def is_idle(self) -> bool:
        return not self.waiting

    def drop(self) -> list[int]:
        """Ends it and its children that have not begun. Returns their process ids, which are to be waited for."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control)
            self._control.close()
        for leash in self._asked:
            self._loop.remove_reader(leash)
            leash.close()
        self._asked.clear()
        with suppress(ProcessLookupError, PermissionError):
            self._process.kill()
        # It is waited for by its number, as its children are.
        self._process.returncode = -signal.SIGKILL
        dying = [self.pid]
        while self._spares:
            child = self._spares.popleft()
            self._loop.remove_reader(child.leash)
            child.kill()
            dying.append(child.pid)
        if self.cgroup is not None:
            self.cgroup.kill()  # also what its imports have started; attempts have groups of their own
        return dying

    # --- inside

    def _join(self, cgroup: Cgroup) -> None:
        try:
            cgroup.add(self.pid)
        except ProcessLookupError:
            pass
        except OSError as error:
            _LOG.warning(
                "A warm interpreter (%s) cannot be moved into its cgroup: %s", self.key.program, error
            )

    def _heard(self) -> None:
        try:
            data = self._control.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended(self, "it was killed" if self.ready else "it could not be started")
            return
        said = json.loads(data)
        if said["threads"] > 1:
            self._ended(self, "threads")
        elif said["room"] < ROOM_BYTES:
            self._ended(self, "this machine does not show where its environment lies")
        else:
            if said["missing"]:
                _LOG.info(
                    "A warm interpreter (%s) cannot import %s.", self.key.program, ", ".join(said["missing"])
                )
            self.ready = True
            self._fill()

    def _fill(self) -> None:
        wanted = len(self.waiting) + _SPARES - len(self._spares)
        while (
            self.ready
            and not self._broken
            and self._control.fileno() >= 0
            and len(self._asked) < min(wanted, _ASKED_MOST)
        ):
            self._ask()

    def _ask(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            socket.send_fds(self._control, [b"fork"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            self._loop.call_soon(self._ended, self, f"it takes no request ({error.strerror})")
            self._broken = True
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        self._asked.add(ours)
        self._loop.add_reader(ours, self._forked, ours)

    def _forked(self, leash: socket.socket) -> None:
        self._loop.remove_reader(leash)
        self._asked.discard(leash)
        pid = _sender(leash)
        if pid in (0, self.pid) or _parent_of(pid) != os.getpid():
            leash.close()
            if self.waiting:
                self.waiting.popleft()(None)
            self._ended(self, "it cannot fork")
            return
        child = Child(pid, leash)
        while self.waiting:
            if self.waiting.popleft()(child):
                break
        else:
            self._spares.append(child)
            self._loop.add_reader(leash, self._lost, child)
        self._fill()

    def _lost(self, child: Child) -> None:
        """A spare has died. The watch reaps it, as it does with all that end here without an owner."""
        self._loop.remove_reader(child.leash)
        child.leash.close()
        with suppress(ValueError):
            self._spares.remove(child)


def _started(
    program: str,
    preload: tuple[str, ...],
    environment: Mapping[str, str],
    identity: Identity | None,
    control: socket.socket,
) -> "subprocess.Popen[bytes]":
    text = resources.files(__package__).joinpath("program.py").read_text(encoding="utf-8")
    source = text_as_file(text)
    try:
        return subprocess.Popen(
            [program, "-", str(control.fileno()), json.dumps(preload)],
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**environment, _ROOM: "x" * ROOM_BYTES},
            start_new_session=True,
            pass_fds=(control.fileno(),),
            user=None if identity is None else identity.uid,
            group=None if identity is None else identity.gid,
            extra_groups=[] if identity else None,
        )
    finally:
        os.close(source)


def _sender(leash: socket.socket) -> int:
    """The process that has sent its first message, as the kernel knows it: what it says itself may be any process. 0: it sent none."""
    try:
        text, more, _, _ = leash.recvmsg(32, socket.CMSG_SPACE(_CREDENTIALS.size))
    except OSError:
        return 0
    for level, kind, data in more:
        if text and (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(_CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0])
    return 0


def _parent_of(pid: int) -> int:
    """0: there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
