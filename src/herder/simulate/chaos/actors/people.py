"""People and their calls. Each call is repeated with one Idempotency-Key until it is answered, so `accepted` is complete."""

import asyncio
from typing import Any

import msgspec

from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.ports.network import PREFIX, Wire

#: How long a person waits for an answer before trying again.
PATIENCE_S = 10.0
AGAIN_S = 0.5


class NotTaken(Exception):
    """The server refused the call; `status` and `body` are its answer."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


class People:
    def __init__(self, wire: Wire, dice: Dice, tokens: dict[str, str]) -> None:
        self._wire, self._dice, self._tokens = wire, dice, dict(tokens)
        self._calls = 0
        self.accepted: set[int] = set()
        """Jobs whose submission was acknowledged."""
        self.forced: set[str] = set()
        """Workers that somebody has ordered to be drained or removed by force; `hastened`: within a time of theirs."""
        self.hastened: set[str] = set()

    def use(self, user: str, token: str) -> None:
        """From now on `user` calls with this token."""
        self._tokens[user] = token

    async def submit(self, user: str = "ann", **job: Any) -> int:
        """Submit one job; return its number."""
        answer = await self.call(user, "POST", "/jobs", {"runtime": "noop", **job})
        self.accepted.add(answer["first_job"])
        return int(answer["first_job"])

    async def batch(self, user: str, jobs: list[dict[str, Any]], **more: Any) -> int:
        """Submit a batch with its jobs, and commit it."""
        made = await self.call(user, "POST", "/batches", {**more})
        added = await self.call(
            user,
            "POST",
            f"/batches/{made['id']}/jobs",
            {"jobs": [{"runtime": "noop", **job} for job in jobs]},
        )
        self.accepted.update(range(added["first_job"], added["first_job"] + added["count"]))
        await self.call(user, "POST", f"/batches/{made['id']}/commit", None)
        return int(made["id"])

    async def call(self, user: str, method: str, path: str, body: Any = None) -> Any:
        """Raises NotTaken."""
        self._calls += 1
        self._note(path, body)
        headers = {
            "authorization": f"Bearer {self._tokens[user]}",
            "content-type": "application/json",
            "idempotency-key": f"call-{self._calls}",
        }
        data = b"" if body is None else msgspec.json.encode(body)
        headers["content-length"] = str(len(data))
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    status, answer = await self._wire.call(
                        f"user {user}",
                        method,
                        f"{PREFIX}{path}",
                        data,
                        headers,
                        odds=self._dice.odds.people,
                        name=f"{method} {path}",
                    )
            except (OSError, TimeoutError):
                await asyncio.sleep(AGAIN_S)
                continue
            if status >= 500:
                await asyncio.sleep(AGAIN_S)
                continue
            said = msgspec.json.decode(answer) if answer else None
            if status >= 400:
                raise NotTaken(status, said)
            return said

    def _note(self, path: str, body: Any) -> None:
        _, what, *rest = path.split("/")
        if what == "workers" and rest[-1] in ("drain", "remove") and body:
            if body.get("force"):
                self.forced.add(rest[0])
            if "timeout_s" in body:
                self.hastened.add(rest[0])
