"""Removes what ended attempts left in the work folder. Called by `exchange` when the server requests it.

Scratch folders and their files are named after their attempts (`processes/scratch`); whatever belongs to an attempt that this agent still
has is left alone, and so is everything whose name it does not know. Bounded, and it never raises.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress

from herder.agent.environment.settings import AgentSettings
from herder.model.values.phrases import counted
from herder.remote.folders import entries, open_folder

_OURS = re.compile(r"(\d+)-(\d+)(\.out|\.json|\.d|\.inputs|\.data)?")
CACHED_INPUTS = "cached-inputs"
"""The folder of the cache of inputs, which forgets what it does not find."""
_MIB = 2**20


def clean_up(settings: AgentSettings, held: Collection[tuple[int, int]]) -> str:
    """What was done, as a sentence."""
    removed = freed = 0
    for path in _left_over(settings, held):
        for each, inside, is_folder in _entries(path):
            if removed >= settings.clean_up_entries_most:
                return f"It removed {counted(removed, 'file')} ({freed / _MIB:,.1f} MiB), and more are left."
            with suppress(OSError):
                freed += 0 if is_folder else os.lstat(each, dir_fd=inside).st_blocks * 512
                os.rmdir(each, dir_fd=inside) if is_folder else os.unlink(each, dir_fd=inside)
                removed += 1
    return f"It removed {counted(removed, 'file')} ({freed / _MIB:,.1f} MiB)."


def _left_over(settings: AgentSettings, held: Collection[tuple[int, int]]) -> Iterator[str]:
    try:
        names = os.listdir(settings.folder)
    except OSError:
        return
    for name in names:
        found = _OURS.fullmatch(name)
        if name == CACHED_INPUTS or (found is not None and (int(found[1]), int(found[2])) not in held):
            yield str(settings.folder / name)


def _entries(path: str) -> Iterator[tuple[str, int | None, bool]]:
    """The path and all that is in it, with the descriptor of its folder and whether it is one: files before the folders that they are in."""
    if os.path.islink(path) or not os.path.isdir(path):
        yield path, None, False
        return
    with suppress(OSError):
        top = open_folder(path)
        try:
            yield from entries(top)
        finally:
            os.close(top)
    yield path, None, True
