"""The keys of secrets in the simulated world: the same values give the same rows, and no package is needed.

It hides a value from the rules that look for it, and from nobody else.
"""

import base64
import hashlib

from herder.secrets.sealing import Key, KeyRing, SealError


class PlayedKeys(KeyRing):
    __slots__ = ()

    def seal(self, place: str, value: bytes) -> tuple[str, str]:
        return self.current.id, base64.b64encode(_masked(self.current, place, value)).decode()

    def open(self, key_id: str, place: str, sealed: str) -> bytes:
        """Raises SealError."""
        if not self.has(key_id):
            raise SealError(f"it is encrypted with the key {key_id}, which this server does not have")
        return _masked(self.current, place, base64.b64decode(sealed))


def _masked(key: Key, place: str, value: bytes) -> bytes:
    mask = hashlib.shake_256(key.content + place.encode()).digest(len(value))
    return bytes(one ^ other for one, other in zip(value, mask, strict=True))


#: Of all servers of a world.
KEYS = PlayedKeys((Key(b"the key of the simulated world.."),))
