"""Opens the driver: credentials and the clients of Google's APIs. Makes no call."""

import os
import time

import httpx

from herder.drivers.gcp.api import Api
from herder.drivers.gcp.credentials import GoogleCredentials
from herder.drivers.gcp.driver import GcpDriver
from herder.drivers.gcp.errors import PROVIDER, explain
from herder.drivers.gcp.settings import GcpSettings
from herder.model.fleet.driver import DriverContext
from herder.remote.clouds.client import CloudClient, Credentials
from herder.remote.clouds.pace import Pace, Pause

#: A page of prices has 5,000 of them.
PRICES_BYTES_MAX = 64 * 2**20


def make(settings: GcpSettings, context: DriverContext) -> GcpDriver:
    credentials = GoogleCredentials(settings.credentials_file, os.environ)
    return opened(settings, context, credentials)


def opened(
    settings: GcpSettings,
    context: DriverContext,
    credentials: Credentials,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Pause = time.sleep,
) -> GcpDriver:
    """`transport`, `pause`: for tests and the simulated world."""

    def client(url: str, bytes_max: int) -> CloudClient:
        return CloudClient(
            PROVIDER,
            url,
            credentials,
            explain,
            context.clock,
            transport=transport,
            pace=Pace(settings.calls_per_s, max(1.0, settings.calls_per_s), context.clock),
            answer_bytes_max=bytes_max,
            pause=pause,
        )

    usual = 32 * 2**20
    api = Api(
        settings.project,
        client(settings.compute_url, usual),
        client(settings.billing_url, PRICES_BYTES_MAX),
        client(settings.projects_url, usual),
    )
    return GcpDriver(settings, context, api)
