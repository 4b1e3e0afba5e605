"""Tokens: random or derived from a secret, and hashed for the store. The only place of a server that uses randomness for secrets.

Called by everything that gives out or checks a token. It must never log or keep one.
"""

import hashlib
import hmac
import secrets

from herder.model.stored.incarnation import SALTS


def new_token() -> str:
    """A secret of 256 bits, as text that is safe in a header."""
    return secrets.token_urlsafe(32)


def new_salt() -> int:
    """By which two stores that are restored from one backup differ."""
    return secrets.randbelow(SALTS)


def new_mark() -> str:
    """Tells apart what has the same name by chance; no secret."""
    return secrets.token_hex(4)


def derived_token(secret: str, purpose: str) -> str:
    """A token that this installation can make again and nobody else can guess."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def hash_token(token: str) -> str:
    """How tokens are stored. They are random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def callback_secret(secret: str, user: str) -> bytes:
    """By which messages about the batches of a user are signed."""
    return hmac.new(secret.encode(), f"callbacks/{user}".encode(), hashlib.sha256).digest()
