"""Opens the driver: credentials and the clients of Azure's APIs. Makes no call."""

import os
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from herder.drivers.azure.api import Api
from herder.drivers.azure.driver import AzureDriver
from herder.drivers.azure.settings import AzureSettings
from herder.model.fleet.driver import DriverContext
from herder.remote.azure.credentials import AzureCredentials
from herder.remote.azure.errors import PROVIDER, explain
from herder.remote.clouds.client import CloudClient, Credentials
from herder.remote.clouds.pace import Pace, Pause

#: Whatever account a boot log is stored in: its whole address is asked for.
BLOBS_URL = "https://blob.core.windows.net"


def make(settings: AzureSettings, context: DriverContext) -> AzureDriver:
    credentials = AzureCredentials(
        settings.credentials_file,
        os.environ,
        context.clock,
        resource=settings.arm_url.rstrip("/"),
        login_url=settings.login_url.rstrip("/"),
        metadata_url=settings.metadata_url.rstrip("/"),
    )
    return opened(settings, context, credentials)


def opened(
    settings: AzureSettings,
    context: DriverContext,
    credentials: Credentials,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Pause = time.sleep,
) -> AzureDriver:
    """`transport`, `pause`: for tests and the simulated world."""

    def client(
        url: str, who: Credentials | None, decode: Callable[[bytes], Any] = msgspec.json.decode
    ) -> CloudClient:
        return CloudClient(
            PROVIDER,
            url,
            who,
            explain,
            context.clock,
            transport=transport,
            pace=Pace(settings.calls_per_s, max(1.0, settings.calls_per_s), context.clock),
            pause=pause,
            decode=decode,
        )

    arm, prices = client(settings.arm_url, credentials), client(settings.prices_url, None)
    blobs = client(BLOBS_URL, None, lambda content: content.decode("utf-8", "replace"))
    return AzureDriver(
        settings, context, Api(settings.subscription, settings.resource_group, arm, prices, blobs), pause
    )
