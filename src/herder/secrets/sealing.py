"""Encrypts values of secrets with AES-256-GCM, so that the store and its backups contain ciphertext only.

A value is bound to its place (whose secret it is, its name and version): a ciphertext that is copied to another row does not open there.
"""

import base64
import hashlib
import os
from dataclasses import dataclass, field
from typing import Any

KEY_BYTES = 32
#: Of a random nonce: as NIST SP 800-38D advises for GCM. With one key, 2³² values may be encrypted; each change is one.
NONCE_BYTES = 12
ID_LENGTH = 12


class SealError(Exception):
    """A value cannot be encrypted or decrypted. The text says why, as a clause; `hint` is the remedy."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Key:
    content: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Names the key in rows and messages, and does not help to guess it."""
        return hashlib.sha256(b"herder secrets key\n" + self.content).hexdigest()[:ID_LENGTH]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """`keys`: at least one; the first encrypts, all decrypt."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        return self.keys[0]

    def has(self, key_id: str) -> bool:
        return any(key.id == key_id for key in self.keys)

    def seal(self, place: str, value: bytes) -> tuple[str, str]:
        """(id of the key, ciphertext as text). Raises SealError."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = _cipher(self.current).encrypt(nonce, value, place.encode())
        return self.current.id, base64.b64encode(nonce + sealed).decode()

    def open(self, key_id: str, place: str, sealed: str) -> bytes:
        """Raises SealError."""
        key = next((each for each in self.keys if each.id == key_id), None)
        if key is None:
            raise SealError(
                f"it is encrypted with the key {key_id}, which this server does not have",
                "Restore that key in secrets.key of the server's data folder, or set the value again with `herder secret rotate`.",
            )
        return _opened(key, place, sealed)


def new_key() -> Key:
    return Key(os.urandom(KEY_BYTES))


def _opened(key: Key, place: str, sealed: str) -> bytes:
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag

    try:
        content = base64.b64decode(sealed, validate=True)
        found: bytes = cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        raise SealError(
            "its stored form was changed or damaged", "Set the value again with `herder secret rotate`."
        ) from None
    return found


def _cipher(key: Key) -> Any:
    """Raises SealError."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise SealError(
            "the package cryptography is not installed on the server", "Run `pip install 'herder[secrets]'`."
        ) from None
    return AESGCM(key.content)
