"""Which server and which token to use: option, then environment, then profile, then the file that `herder up` writes.

A token goes only to the address it was written down with: one from a profile or from `server.json` is not sent to an
address that was given by a flag or the environment, unless it is the same. Nothing here prints or logs a token.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from herder.client.errors import ClientError, UnreachableError
from herder.model.values.phrases import clause

if TYPE_CHECKING:
    from herder.client.client import HerderClient

SERVER_FILE = "server.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`url_from` and `token_from` say where each value came from."""

    url: str
    url_from: str
    token: str | None = field(default=None, repr=False)
    token_from: str = "nowhere"
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A place that may know an address, and a token that belongs to it."""

    name: str
    url: str | None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    folder: Path = Path()
    profile: str | None = None


class ConnectionSettingsError(ClientError):
    """What the flags, the environment or the files say about the server cannot be used."""

    code = "bad_connection_settings"


def state_dir(env: Mapping[str, str] | None = None) -> Path:
    """Where a server on this machine keeps its data, and `herder up` its `server.json`."""
    chosen = (os.environ if env is None else env).get("HERDER_DATA_DIR")
    return Path(chosen) if chosen else platformdirs.user_state_path("herder")


def config_file(env: Mapping[str, str] | None = None) -> Path:
    chosen = (os.environ if env is None else env).get("XDG_CONFIG_HOME")
    folder = Path(chosen) if chosen else Path.home() / ".config"
    return folder / "herder" / "config.toml"


def find_target(
    *,
    url: str | None = None,
    token_file: str | None = None,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Target:
    """Raises UnreachableError when nothing names a server, ConnectionSettingsError when what names it is wrong."""
    given = os.environ if env is None else env
    sources = [
        _Source(name="--server", url=url),
        _Source(name="HERDER_URL", url=given.get("HERDER_URL") or None),
        _from_profile(profile or given.get("HERDER_PROFILE") or None, config_file(given)),
        _from_server_file(state_dir(given) / SERVER_FILE),
    ]
    chosen = next((source for source in sources if source.url), None)
    if chosen is None or chosen.url is None:
        raise UnreachableError(
            "No server is configured.",
            hint="`herder up` starts a server on this machine; --server or HERDER_URL names another.",
        )
    token, origin = _token(chosen.url, token_file, given, sources)
    return Target(
        url=chosen.url, url_from=chosen.name, token=token, token_from=origin, profile=chosen.profile
    )


def connect(
    *,
    url: str | None = None,
    token_file: str | None = None,
    profile: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    retries: int | None = None,
) -> "HerderClient":
    """A client of the server that flags, environment, profile or `herder up` name, in this order. None: as `HerderClient` has it."""
    from herder.client.client import HerderClient
    from herder.client.http.transport import RETRIES, TIMEOUT_S

    target = find_target(url=url, token_file=token_file, profile=profile, env=env)
    return HerderClient(
        target.url,
        target.token,
        timeout_s=TIMEOUT_S if timeout_s is None else timeout_s,
        retries=RETRIES if retries is None else retries,
    )


def _token(
    url: str, token_file: str | None, env: Mapping[str, str], sources: list[_Source]
) -> tuple[str | None, str]:
    if token_file:
        return _read_token(Path(token_file), "--token-file"), "--token-file"
    if env.get("HERDER_TOKEN"):
        return env["HERDER_TOKEN"].strip(), "HERDER_TOKEN"
    if env.get("HERDER_TOKEN_FILE"):
        return _read_token(Path(env["HERDER_TOKEN_FILE"]), "HERDER_TOKEN_FILE"), "HERDER_TOKEN_FILE"
    for source in sources:
        if source.url is None or source.url.rstrip("/") != url.rstrip("/"):
            continue
        if source.token:
            return source.token, source.name
        if source.token_file:
            path = source.folder / Path(source.token_file).expanduser()
            return _read_token(path, source.name), f"{source.name} ({path})"
    return None, "nowhere"


#: Far more than any token has.
_TOKEN_BYTES = 65_536


def _read_token(path: Path, origin: str) -> str:
    try:
        with path.expanduser().open("rb") as file:  # a device may never end
            token = file.read(_TOKEN_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        hint = "Check the path and its permissions; `herder token create --save FILE` writes such a file."
        raise ConnectionSettingsError(
            f"The token file {path} ({origin}) cannot be read: {reason}.", hint=hint
        ) from None
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        hint = "The file must contain the token and nothing else."
        raise ConnectionSettingsError(
            f"The token file {path} ({origin}) does not contain a token.", hint=hint
        )
    return token


def _from_profile(name: str | None, path: Path) -> _Source:
    try:
        with path.open("rb") as file:
            config = tomllib.load(file)
    except FileNotFoundError:
        config = {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConnectionSettingsError(
            f"{path} cannot be read: {clause(error)}.", hint="Correct the file, or move it away."
        ) from None
    profiles: Any = config.get("profiles", {})
    chosen = name or config.get("default_profile")
    if chosen is None:
        return _Source(name="profile", url=None)
    row = profiles.get(chosen) if isinstance(profiles, dict) else None
    if not isinstance(row, dict) or not isinstance(row.get("url"), str):
        known = ", ".join(sorted(profiles)) if isinstance(profiles, dict) and profiles else "none"
        raise ConnectionSettingsError(
            f"There is no profile {chosen!r} with a url in {path}.",
            hint=f'Known profiles: {known}. Write [profiles.{chosen}] with url = "https://…" and token_file = "…".',
        )
    return _Source(
        name=f"profile {chosen}",
        url=row["url"],
        token=row.get("token"),
        token_file=row.get("token_file"),
        folder=path.parent,
        profile=chosen,
    )


def _from_server_file(path: Path) -> _Source:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        url, token_file = data["url"], data.get("token_file")
    except OSError:
        return _Source(name=str(path), url=None)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConnectionSettingsError(
            f"{path} is damaged.", hint="Delete the file and start the server again with `herder up`."
        ) from None
    return _Source(name=str(path), url=url, token_file=token_file, folder=path.parent)
