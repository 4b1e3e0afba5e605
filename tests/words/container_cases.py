"""Examples of the errors of jobs in containers, for `test_errors`."""

import asyncio
import dataclasses
from typing import cast

from herder.agent.containers.engine import Engine
from herder.agent.containers.images import ImageMissing, Images
from herder.agent.environment.settings import AgentSettings
from herder.agent.runtimes import RuntimeLacking
from herder.agent.runtimes.container import ContainerRuntime
from tests.words.error_cases import Case

_SETTINGS = AgentSettings(server_url="http://x", worker="w", activation_token="t")


class _NoImage:
    async def image_there(self, image: str) -> bool:
        return False


def _open(address: str) -> None:
    ContainerRuntime(dataclasses.replace(_SETTINGS, container_engine=address), None)  # type: ignore[arg-type]


CASES = (
    Case(
        RuntimeLacking,
        lambda: _open("ssh://host"),
        "'ssh://host' is not the address of a container engine. Use unix:///path/of.sock or tcp://host:port.",
    ),
    Case(
        ImageMissing,
        lambda: asyncio.run(Images(cast("Engine", _NoImage())).ensure("debian:12", "never")),
        "The image debian:12 is not on this worker, and the job does not allow a pull (pull: never).",
    ),
)
