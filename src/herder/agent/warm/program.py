"""What a warm interpreter runs: it imports what it is told, then forks a child for each request, and each child runs one script.

Read by the Python of a job from its stdin, so it uses the standard library alone (Python 3.9 or newer) and nothing of Herder. Never
imported by the agent. The interpreter itself runs no code of any job but the modules it imports; it has one thread.
"""

import ctypes
import gc
import importlib
import json
import os
import socket
import sys
import types
from typing import Any

_PR_SET_DUMPABLE = 4
_NEVER_TOLD = 125


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    if sys.path and not sys.path[0]:
        del sys.path[0]
    # Other processes of the same user can neither trace it nor read its memory: the calls of this user come out of it.
    _set_dumpable(0)
    missing = [name for name in json.loads(sys.argv[2]) if not _imported(name)]
    gc.collect()
    gc.freeze()
    begin, end = _room()
    threads = len(os.listdir("/proc/self/task"))
    control.send(json.dumps({"threads": threads, "room": end - begin, "missing": missing}).encode())
    stdin, output, order = _serve(control)
    _run(_become(stdin, output, order))


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except BaseException:  # noqa: BLE001 - the script that needs it will say what is wrong with it
        return False
    return True


def _serve(control: socket.socket) -> list[int]:
    """Forks until the agent hangs up. Returns in each child that has been told what to run, with three descriptors."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 16, 1)
        if not data:
            os._exit(0)
        leash = socket.socket(fileno=descriptors[0])
        told = _fork(control, leash)
        if told is not None:
            return told
        leash.close()


def _fork(control: socket.socket, leash: socket.socket) -> "list[int] | None":
    """None in the parent. The child is a grandchild whose parent has ended, so the agent inherits it and can wait for it."""
    adopted, adopt = os.pipe()
    try:
        middle = os.fork()
    except OSError:
        os.close(adopted)
        os.close(adopt)
        return None  # the agent sees that the leash is closed
    if middle == 0:
        if _forked_again():
            os._exit(0)
        control.close()
        os.close(adopt)
        return _wait_for_orders(adopted, leash)
    os.waitpid(middle, 0)
    os.write(adopt, b"x")
    os.close(adopted)
    os.close(adopt)
    return None


def _forked_again() -> bool:
    """Whether this is the parent (or there is no child)."""
    try:
        return os.fork() != 0
    except OSError:
        return True


def _wait_for_orders(adopted: int, leash: socket.socket) -> list[int]:
    os.setsid()
    if not os.read(adopted, 1):
        os._exit(_NEVER_TOLD)
    os.close(adopted)
    try:
        leash.sendall(str(os.getpid()).encode())
        _, descriptors, _, _ = socket.recv_fds(leash, 1, 3)
    except OSError:
        os._exit(_NEVER_TOLD)
    if len(descriptors) != 3:
        os._exit(_NEVER_TOLD)
    leash.close()
    return descriptors


def _become(stdin: int, output: int, order: int) -> dict[str, Any]:
    """From here on this is the process of one attempt."""
    for given, number in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(given, number)
    os.close(stdin)
    os.close(output)
    with os.fdopen(order, "rb") as file:
        wanted: dict[str, Any] = json.load(file)
    _set_dumpable(1)
    os.environ.clear()
    os.environ.update(wanted["env"])
    _show(wanted["marks"].encode("utf-8", "surrogateescape"))
    os.chdir(wanted["folder"])
    for name in ("numpy.random",):  # `random` does it by itself after a fork
        if name in sys.modules:
            sys.modules[name].seed()
    if "tempfile" in sys.modules:
        sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]
    return wanted


def _run(wanted: dict[str, Any]) -> None:
    """As `python SCRIPT ARGUMENTS` does."""
    sys.argv = wanted["argv"]
    path = os.path.abspath(sys.argv[0])
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"{sys.executable}: can't open file {path!r}: {error}\n")
        sys.exit(2)
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(__file__=path, __builtins__=__builtins__)
    sys.modules["__main__"] = main_module
    try:
        exec(compile(source, path, "exec"), main_module.__dict__)  # noqa: S102 - it is the script of the job
    except Exception as error:  # noqa: BLE001 - shown as an interpreter does, without the frames of this file
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        sys.exit(1)


def _room() -> "tuple[int, int]":
    """Where the environment that /proc shows of this process lies in memory."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[47]), int(fields[48])


def _show(marks: bytes) -> None:
    """What /proc shows as the environment: by these marks the agent finds processes that leave the session of their attempt."""
    begin, end = _room()
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, marks, min(len(marks), end - begin))


def _set_dumpable(flag: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, flag, 0, 0, 0)


if __name__ == "__main__":
    main()
