"""Opens the driver: credentials and the client of Workspace Manager. Makes no call."""

import os
import time

import httpx

from herder.drivers.terra.api import Api
from herder.drivers.terra.credentials import TokenFile
from herder.drivers.terra.driver import TerraDriver
from herder.drivers.terra.errors import PROVIDER, explain
from herder.drivers.terra.settings import TerraSettings
from herder.model.fleet.driver import DriverContext
from herder.remote.azure.credentials import AzureCredentials
from herder.remote.clouds.client import CloudClient, Credentials
from herder.remote.clouds.pace import Pace, Pause


def make(settings: TerraSettings, context: DriverContext) -> TerraDriver:
    credentials: Credentials
    if settings.token_file:
        credentials = TokenFile(settings.token_file)
    else:
        credentials = AzureCredentials(
            settings.credentials_file,
            os.environ,
            context.clock,
            resource=settings.token_resource.rstrip("/"),
            login_url=settings.login_url.rstrip("/"),
            metadata_url=settings.metadata_url.rstrip("/"),
        )
    return opened(settings, context, credentials)


def opened(
    settings: TerraSettings,
    context: DriverContext,
    credentials: Credentials,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Pause = time.sleep,
) -> TerraDriver:
    """`transport`, `pause`: for tests and the simulated world."""
    client = CloudClient(
        PROVIDER,
        settings.url,
        credentials,
        explain,
        context.clock,
        transport=transport,
        pace=Pace(settings.calls_per_s, max(1.0, settings.calls_per_s), context.clock),
        pause=pause,
    )
    return TerraDriver(settings, context, Api(settings.workspace, client))
