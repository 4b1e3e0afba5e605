"""A token that another program keeps in a file and renews there."""

from pathlib import Path

import httpx

from herder.model.fleet.driver import Unauthorised

_BYTES_MAX = 64 * 1024


class TokenFile:
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._token()}"

    def refused(self) -> bool:
        """It may just have been renewed."""
        return True

    def _token(self) -> str:
        try:
            with self._path.open("rb") as file:
                token = file.read(_BYTES_MAX).decode("ascii", "replace").strip()
        except OSError as error:
            raise Unauthorised(
                f"The token in {self._path} cannot be read: {error.strerror}. Name a file that this server may read."
            ) from None
        if not token.isprintable() or not token or " " in token or not token.isascii():
            raise Unauthorised(
                f"{self._path} has no token. Write what `az account get-access-token --query accessToken --output tsv` prints."
            )
        return token
