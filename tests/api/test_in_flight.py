"""Large requests are carried out a bounded piece at a time, in the order in which they came, and tiny ones do not wait."""

import asyncio

import pytest

from herder.api.http.in_flight import BYTES_MAX, OBJECTS_MAX, WHOLE, InFlight, weight_of


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        (b"", 0),
        (b'{"command": ["echo", "hello"]}', 0),
        (b'{"stdin": "' + b"x" * 3_000 + b'"}', 0),
        (b"x" * 8_192, 32),
        (b"x" * (BYTES_MAX // 2), WHOLE // 2),
        (b"x" * BYTES_MAX * 100, WHOLE),
        (b"{}" * (OBJECTS_MAX // 2), WHOLE // 2),
        (b"{}" * 10_000, WHOLE),
    ],
)
def test_bytes_and_objects_weigh(body: bytes, weight: int) -> None:
    assert weight_of(body) == weight_of(bytearray(body)) == weight


async def _turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Calls:
    """Requests that are carried out until they are told to end."""

    def __init__(self) -> None:
        self.in_flight = InFlight()
        self.under_way: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, weight: int) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._carry_out(name, weight))
        await _turn()

    async def _carry_out(self, name: str, weight: int) -> None:
        async with self.in_flight.admit(weight):
            self.under_way.append(name)
            await self.ends[name].wait()
            self.under_way.remove(name)

    async def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()
        await _turn()


async def test_they_share_the_bound_and_nobody_overtakes() -> None:
    calls = Calls()
    await calls.begin("half", WHOLE // 2)
    await calls.begin("quarter", WHOLE // 4)
    await calls.begin("whole", WHOLE)
    await calls.begin("small", 16)
    assert calls.under_way == ["half", "quarter"]
    await calls.end("half")
    assert calls.under_way == ["quarter"]
    await calls.end("quarter")
    assert calls.under_way == ["whole"]
    await calls.end("whole")
    assert calls.under_way == ["small"]
    await calls.end("small")
    assert calls.in_flight.used == 0


async def test_who_leaves_gives_back_what_it_had_and_what_it_waited_for() -> None:
    calls = Calls()
    for name in ("first", "second", "third"):
        await calls.begin(name, WHOLE)
    calls.tasks["second"].cancel()
    await _turn()
    calls.tasks["first"].cancel()
    await asyncio.sleep(0)  # the turn of the third has come, and it has not run yet
    calls.tasks["third"].cancel()
    await _turn()
    assert calls.in_flight.used == 0
    await calls.begin("last", WHOLE)
    assert calls.under_way[-1] == "last"
    await calls.end("last")


async def test_what_fails_gives_back_what_it_had() -> None:
    in_flight = InFlight()
    with pytest.raises(ZeroDivisionError):
        async with in_flight.admit(WHOLE):
            raise ZeroDivisionError
    assert in_flight.used == 0
