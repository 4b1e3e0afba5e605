"""Images on this machine: pulled when a job's policy says so, one pull of an image at a time, whoever waits for it.

Used by the container runtime. Credentials of registries are those of the machine: the files that Docker and Podman log in to.
"""

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from herder.agent.containers.engine import Engine, EngineDown, EngineRefused

PULL_S = 1200.0
"""Hail Batch's limit for a pull, 20 minutes."""
DOCKER_HUB = "https://index.docker.io/v1/"


class ImageMissing(Exception):
    """The image is not there and cannot be had: what the registry or the engine says."""


@dataclass(slots=True)
class Images:
    engine: Engine
    _pulls: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    async def ensure(self, image: str, policy: str) -> None:
        """`policy`: if_not_present, always or never. Raises ImageMissing, EngineDown and EngineRefused."""
        there = policy != "always" and await self.engine.image_there(image)
        if there:
            return
        if policy == "never":
            raise ImageMissing(
                f"The image {image} is not on this worker, and the job does not allow a pull (pull: never)."
            )
        pull = self._pulls.get(image)
        if pull is None:
            pull = self._pulls[image] = asyncio.create_task(self._pull(image))
            pull.add_done_callback(lambda done: self._forget(image, done))
        await asyncio.shield(pull)  # others may wait for it when one attempt is cancelled

    async def close(self) -> None:
        for pull in list(self._pulls.values()):
            pull.cancel()
        await asyncio.gather(*self._pulls.values(), return_exceptions=True)

    def _forget(self, image: str, done: "asyncio.Task[None]") -> None:
        self._pulls.pop(image, None)
        if not done.cancelled():
            done.exception()  # whoever waited has it; nobody may wait any more

    async def _pull(self, image: str) -> None:
        try:
            async with asyncio.timeout(PULL_S):
                async for _ in self.engine.pull(image, credentials(image, os.environ)):
                    pass
        except TimeoutError:
            raise EngineDown(f"The pull of the image {image} took longer than {PULL_S:.0f} s") from None
        except EngineRefused as error:
            raise ImageMissing(f"The image {image} cannot be pulled: {error}.") from None


def credentials(image: str, environ: Mapping[str, str]) -> str:
    """The header X-Registry-Auth for the registry of the image, from the first login file that knows it; empty: none."""
    registry = image.partition("/")[0]
    if "/" not in image or not ("." in registry or ":" in registry or registry == "localhost"):
        registry = "docker.io"
    names = (
        registry,
        f"https://{registry}",
        *((DOCKER_HUB, "index.docker.io") if registry == "docker.io" else ()),
    )
    for path in _login_files(environ):
        try:
            logins = json.loads(path.read_text(encoding="utf-8"))["auths"]
            found = next(logins[name]["auth"] for name in names if name in logins)
            user, _, password = base64.b64decode(found).decode().partition(":")
        except (OSError, ValueError, KeyError, TypeError, StopIteration):
            continue
        login = json.dumps({"username": user, "password": password, "serveraddress": registry})
        return base64.urlsafe_b64encode(login.encode()).decode()
    return ""


def _login_files(environ: Mapping[str, str]) -> list[Path]:
    home = environ.get("HOME", "/root")
    docker = environ.get("DOCKER_CONFIG", f"{home}/.docker")
    found = [environ.get("REGISTRY_AUTH_FILE", ""), f"{docker}/config.json"]
    if environ.get("XDG_RUNTIME_DIR"):
        found.append(f"{environ['XDG_RUNTIME_DIR']}/containers/auth.json")
    return [Path(each) for each in found if each]
