"""Opens the driver: credentials and the clients of AWS's services. Makes no call."""

import math
import os
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from herder.drivers.aws.api import Api
from herder.drivers.aws.credentials import AwsCredentials, ForService, KeySource
from herder.drivers.aws.driver import AwsDriver
from herder.drivers.aws.errors import PROVIDER, explain
from herder.drivers.aws.services import Services
from herder.drivers.aws.settings import AwsSettings, Service
from herder.drivers.aws.xml import decoded
from herder.model.fleet.driver import DriverContext
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pace import Pace, Pause

#: As many as AWS allows an account.
TRAIL_CALLS_PER_S = 2.0


def make(settings: AwsSettings, context: DriverContext) -> AwsDriver:
    return opened(settings, context, AwsCredentials(settings.profile, os.environ, context.clock))


def opened(
    settings: AwsSettings,
    context: DriverContext,
    credentials: KeySource,
    *,
    transport: httpx.BaseTransport | None = None,
    pause: Pause = time.sleep,
) -> AwsDriver:
    """`transport`, `pause`: for tests and the simulated world."""

    def client(
        service: Service, decode: Callable[[bytes], Any] = msgspec.json.decode, calls_per_s: float = math.inf
    ) -> CloudClient:
        calls_per_s = min(calls_per_s, settings.calls_per_s)
        return CloudClient(
            PROVIDER,
            service.url,
            ForService(credentials, service.region, service.name, context.clock),
            explain,
            context.clock,
            transport=transport,
            pace=Pace(calls_per_s, max(1.0, calls_per_s), context.clock),
            decode=decode,
            pause=pause,
        )

    trail = client(settings.trail, calls_per_s=TRAIL_CALLS_PER_S)
    services = Services(client(settings.pricing), client(settings.quotas), trail)
    return AwsDriver(settings, context, Api(client(settings.ec2, decoded)), services)
