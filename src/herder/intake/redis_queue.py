"""A queue of jobs in Redis or Valkey, with the keys that Mimir documents. Implements `ports/intake.py`; opened by the loop `intakes`.

Steps that must be whole are Lua scripts, which the server carries out one at a time. Leases are by the clock of Redis. Keys, for the
prefix `mimir:jobs:`: `queue` (sorted set, the lowest score first), `data:ID`, `status:ID`; our own: `leases` (sorted set, by the end of the
lease), `followed` (hash, the job of each record) and `dead` (hash, why a record was refused).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from herder.ports.intake import RECORD_MOST_BYTES, IntakeDown, Told

_LOG = logging.getLogger(__name__)
#: A connection or an answer that takes longer is given up.
TIMEOUT_S = 5.0
CLOSE_S = 1.0
#: Fields of a hash that are read in one step.
SCAN_COUNT = 1000
#: Numbers of jobs are below this.
_JOB_ENDS = 2**63

_CLAIM = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ends, count = now + tonumber(ARGV[1]), tonumber(ARGV[2])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, count)
if #found < count then
  local popped = redis.call('ZPOPMIN', KEYS[1], count - #found)
  for place = 1, #popped, 2 do found[#found + 1] = popped[place] end
end
for _, record in ipairs(found) do redis.call('ZADD', KEYS[2], ends, record) end
return found
"""
#: KEYS: the data of each record. ARGV: the last byte that is read. What others wrote may be no string, and of any size.
_READ = """
local found = {}
for place, key in ipairs(KEYS) do
  found[place] = redis.call('TYPE', key).ok == 'string' and redis.call('GETRANGE', key, 0, ARGV[1])
end
return found
"""
#: KEYS: leases, followed, data, status. ARGV: record, job, status, data.
_ACKNOWLEDGE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[4], ARGV[3])
if ARGV[4] ~= '' then redis.call('SET', KEYS[3], ARGV[4], 'XX', 'KEEPTTL') end
"""
#: KEYS: leases, dead, status. ARGV: record, reason.
_REFUSE = """
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SET', KEYS[3], 'failed')
"""
#: KEYS: followed, data, status. ARGV: record, status, data, whether it is the last.
_TELL = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return end
redis.call('SET', KEYS[3], ARGV[2])
if ARGV[3] ~= '' then redis.call('SET', KEYS[2], ARGV[3], 'XX', 'KEEPTTL') end
if ARGV[4] == '1' then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""


class RedisQueue:
    """`url`: redis://, rediss:// or unix://, without a password."""

    def __init__(self, url: str, prefix: str, password: str | None) -> None:
        import redis.asyncio as library
        from redis.exceptions import RedisError

        self._errors = (RedisError, OSError, TimeoutError)
        self._client: Any = library.from_url(
            url, password=password, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        self._prefix = prefix

    async def claim(self, lease_s: float, most: int) -> list[str]:
        keys = self._key("queue"), self._key("leases")
        found = await self._ask(lambda: self._client.eval(_CLAIM, 2, *keys, int(lease_s * 1000), most))
        return [_text(each) for each in found]

    async def read(self, records: Sequence[str]) -> list[bytes | None]:
        if not records:
            return []
        keys = [self._key("data:", each) for each in records]
        found = await self._ask(lambda: self._client.eval(_READ, len(keys), *keys, RECORD_MOST_BYTES))
        return cast("list[bytes | None]", found)

    async def acknowledge(self, record: str, job: int, told: Told) -> None:
        keys = (
            self._key("leases"),
            self._key("followed"),
            self._key("data:", record),
            self._key("status:", record),
        )
        said = _bytes(record), str(job), told.status, told.data or b""
        await self._ask(lambda: self._client.eval(_ACKNOWLEDGE, len(keys), *keys, *said))

    async def refuse(self, record: str, reason: str) -> None:
        keys = self._key("leases"), self._key("dead"), self._key("status:", record)
        text = msgspec.json.encode({"reason": reason})
        await self._ask(lambda: self._client.eval(_REFUSE, 3, *keys, _bytes(record), text))

    async def followed(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        cursor = 0
        while True:
            cursor, some = await self._ask(
                lambda at=cursor: self._client.hscan(self._key("followed"), at, count=SCAN_COUNT)  # type: ignore[misc]
            )
            for record, said in some.items():
                job = _job(said)
                if job is None:
                    _LOG.warning(
                        "%r in %r was removed, because it is not the number of a job.",
                        record,
                        self._key("followed"),
                    )
                    await self._ask(lambda record=record: self._client.hdel(self._key("followed"), record))  # type: ignore[misc]
                else:
                    found[_text(record)] = job
            if not cursor:
                return found

    async def tell(self, told: Sequence[Told]) -> None:
        for each in told:
            keys = self._key("followed"), self._key("data:", each.record), self._key("status:", each.record)
            said = _bytes(each.record), each.status, each.data or b"", "1" if each.final else "0"
            await self._ask(lambda keys=keys, said=said: self._client.eval(_TELL, 3, *keys, *said))  # type: ignore[misc]

    async def waiting(self) -> int:
        return int(await self._ask(lambda: self._client.zcard(self._key("queue"))))

    async def close(self) -> None:
        """What does not close in time is left to the system: a server that stops does not wait for it."""
        await self._ask(lambda: asyncio.wait_for(self._client.aclose(), CLOSE_S))

    def _key(self, name: str, record: str = "") -> bytes:
        return f"{self._prefix}{name}".encode() + _bytes(record)

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Raises IntakeDown."""
        try:
            return await call()
        except self._errors as error:
            raise IntakeDown(" ".join(str(error).split())[:300] or type(error).__name__) from None


def _job(said: bytes) -> int | None:
    job = int(said) if said.isdigit() and len(said) < 20 else 0
    return job if 0 < job < _JOB_ENDS else None


def _text(raw: bytes) -> str:
    """Names of records are bytes that others chose: what is not UTF-8 comes back as it was."""
    return raw.decode(errors="surrogateescape")


def _bytes(record: str) -> bytes:
    return record.encode(errors="surrogateescape")
