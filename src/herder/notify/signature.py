"""The signature of a message, as Standard Webhooks defines it (https://www.standardwebhooks.com): any of its libraries can check it."""

import base64
import hashlib
import hmac

PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """As receivers are given it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers_of(message_id: str, at_s: int, body: bytes, secret: bytes) -> dict[str, str]:
    """A receiver compares the time with its own clock, and the signature with one that it makes of id, time and body."""
    signed = f"{message_id}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{signature}",
    }
