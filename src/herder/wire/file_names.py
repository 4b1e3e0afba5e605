"""Which names input files of a job can have, told alike by the server that takes the job and by the agent that writes the files."""

from collections.abc import Iterable

#: Between two slashes, as Linux has it.
FILE_NAME_BYTES = 255


def parts_of(name: str) -> list[str] | None:
    """Folders and file; None when it is no relative path below its folder."""
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        return None
    if any(len(part.encode(errors="replace")) > FILE_NAME_BYTES for part in parts):
        return None
    return parts


def file_and_folder(names: Iterable[str]) -> str | None:
    """A name that is a file, and of another also a folder; None when there is none."""
    known = set(names)
    for name in known:
        folder, slash, _ = name.rpartition("/")
        while slash:
            if folder in known:
                return folder
            folder, slash, _ = folder.rpartition("/")
    return None
