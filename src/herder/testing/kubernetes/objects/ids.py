"""Uids and generated names, in a fixed order for a seed."""

import random
import uuid

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
NAME_MOST = 63


class Ids:
    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._random.choices(_LETTERS, k=length))

    def name(self, prefix: str) -> str:
        return prefix[: NAME_MOST - 5] + self.suffix()

    def token(self) -> str:
        return f"token-{self._random.getrandbits(128):032x}"
