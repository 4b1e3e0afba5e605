"""Opens the driver: credentials and the client of EC2. Makes no call."""

import os
import time

import httpx

from herder.drivers.aws.api import Api
from herder.drivers.aws.credentials import AwsCredentials
from herder.drivers.aws.driver import AwsDriver
from herder.drivers.aws.errors import PROVIDER, explain
from herder.drivers.aws.settings import AwsSettings
from herder.drivers.aws.xml import decoded
from herder.model.fleet.driver import DriverContext
from herder.remote.clouds.client import CloudClient, Credentials
from herder.remote.clouds.pace import Pace, Pause


def make(settings: AwsSettings, context: DriverContext) -> AwsDriver:
    credentials = AwsCredentials(settings.profile, settings.region, os.environ, context.clock)
    return opened(settings, context, credentials)


def opened(
    settings: AwsSettings,
    context: DriverContext,
    credentials: Credentials,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Pause = time.sleep,
) -> AwsDriver:
    """`transport`, `pause`: for tests and the simulated world."""
    client = CloudClient(
        PROVIDER,
        settings.url,
        credentials,
        explain,
        context.clock,
        transport=transport,
        pace=Pace(settings.calls_per_s, max(1.0, settings.calls_per_s), context.clock),
        decode=decoded,
        pause=pause,
    )
    return AwsDriver(settings, context, Api(client))
