"""Callbacks as the API shows them. Data only."""

from typing import Literal

import msgspec


class CallbackView(msgspec.Struct, kw_only=True):
    """The message about the end of a batch, or of a job group."""

    batch: int
    id: str
    """Its `webhook-id`; empty while the batch or group has not ended."""
    url: str
    """Of a batch that the caller may only see: without its path, which may hold a secret."""
    state: Literal["waiting", "due", "delivered", "failed"]
    """waiting: for the end of the batch or group. due: it is sent, or sent again at `next_try_at`. failed: it was given up."""
    tries: int = 0
    next_try_at: str | None = None
    ended_at: str | None = None
    """When it was delivered or given up."""
    http_status: int | None = None
    """Of the last answer; None: there was none."""
    error: str = ""
    """Why the last try failed."""
    group: str = ""
    """Path of the job group; empty: the message is about the batch."""


class CallbackSecret(msgspec.Struct, kw_only=True):
    """With which the caller's messages are signed, as libraries of Standard Webhooks take it."""

    user: str
    secret: str
