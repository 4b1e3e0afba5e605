"""The user and group that attempts run as, when they do not run as the agent's own user.

Used by `main` (to refuse what cannot work), by the process runtime and by `scratch`. Only root can start processes of others.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from herder.agent.environment.settings import AgentSettings, SettingsError


@dataclass(frozen=True, slots=True)
class Identity:
    uid: int
    gid: int
    name: str


def identity_of(settings: AgentSettings) -> Identity | None:
    """None: attempts run as the agent's own user. Raises SettingsError."""
    said = settings.run_as
    if not said:
        return None
    found = _looked_up(said)
    if found.uid == 0:
        raise SettingsError(f"run_as is {said!r}, which is root. Name a user without privileges.")
    if os.geteuid() != 0:
        raise SettingsError(
            f"run_as is {said!r}, but only an agent that runs as root can run attempts as another user."
        )
    _check_way_to(settings.folder, found, said)
    return found


def _looked_up(said: str) -> Identity:
    uid, colon, gid = said.partition(":")
    if colon and uid.isdecimal() and gid.isdecimal() and max(len(uid), len(gid)) < 10:
        return Identity(int(uid), int(gid), uid)
    try:
        entry = pwd.getpwnam(said)
    except (KeyError, ValueError):
        raise SettingsError(
            f"run_as is {said!r}, but this machine has no such user. Name a user or UID:GID."
        ) from None
    return Identity(entry.pw_uid, entry.pw_gid, entry.pw_name)


def _check_way_to(folder: Path, who: Identity, said: str) -> None:
    """Absolute paths of scratch files are of no use to an attempt that may not pass through the folders above."""
    for above in folder.absolute().parents:
        if not above.exists():
            continue
        found = above.stat()
        passes = (
            found.st_mode & 0o001
            or (found.st_uid == who.uid and found.st_mode & 0o100)
            or (found.st_gid == who.gid and found.st_mode & 0o010)
        )
        if not passes:
            raise SettingsError(
                f"Attempts run as {said} cannot reach the work folder {folder}, because that user has no access to {above}. "
                "Set the work folder to a folder below /var/tmp."
            )
