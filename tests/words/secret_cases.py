"""An example of the errors of the keys of secrets, for `test_errors`."""

import tempfile
from pathlib import Path

from herder.secrets.key_file import KeyFileError, read_keys
from tests.words.error_cases import Case


def _empty() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "secrets.key")
        path.touch(mode=0o600)
        try:
            read_keys(path)
        except KeyFileError as error:
            raise KeyFileError(str(error).replace(folder, "/var/lib/herder"), error.hint) from None


CASES = (
    Case(
        KeyFileError,
        _empty,
        "/var/lib/herder/secrets.key is empty, but the secrets of users are encrypted with its keys.",
        "Restore a copy. If there is none, delete the file; secrets must then be set again.",
    ),
)
