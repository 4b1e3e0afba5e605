"""A setting of a running server, as it is shown. Data only."""

from typing import Literal

import msgspec

Origin = Literal["default", "set"]


class SettingView(msgspec.Struct, kw_only=True):
    name: str
    """With those that it is part of: `retention.events_s`."""
    value: str
    """For people. What is secret is not in it."""
    origin: Origin
    """set: by herder.yaml, an option or the environment."""
