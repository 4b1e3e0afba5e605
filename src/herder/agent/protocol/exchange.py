"""Calls the server again and again: at most one long poll and one report at a time. Started by `main`; ends when the agent stops.

The send carries what the outbox holds and is answered at once; while it is under way everything else gathers for the next.
Only when nothing is left to send is a call parked (it carries no results, so that overtaking it loses nothing). Failures are
retried with back-off while the attempts go on, until the worker has been cut off for too long. When the server rejects a
report, one without items goes first: if that is taken, an item was at fault, and it is looked for (`outbox`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import msgspec

from herder.agent.attempts.attempts import Attempts
from herder.agent.attempts.outbox import Outbox, Shipment
from herder.agent.environment import clock
from herder.agent.environment.connection import Refused, Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.clean_up import clean_up
from herder.agent.machine.health import Health
from herder.agent.machine.ports import AgentPorts
from herder.agent.machine.usage import UseMeter
from herder.agent.protocol.entrance import Entrance
from herder.agent.protocol.notice import MachineNotice
from herder.model.values.phrases import clause
from herder.wire.worker.exchange import ActivateAnswer, ExchangeAnswer, ExchangeRequest

_LOG = logging.getLogger(__name__)
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(ExchangeAnswer)
_LEAVE_TRIES = 5
#: An answer is given so long even in a pool that takes a few seconds of silence for death: servers have slow moments.
_ANSWER_LEAST_S = 3.0


class Leave(Enum):
    """Why the conversation is over."""

    DONE = "Drained: all results are reported"
    STOPPED = "The server removed this worker"
    REFUSED = "The server does not know this worker"
    CUT_OFF = "The last results could not be delivered in time"


class Exchange:
    def __init__(
        self,
        ports: AgentPorts,
        settings: AgentSettings,
        limits: ActivateAnswer,
        attempts: Attempts,
        outbox: Outbox,
        health: Health | None = None,
        *,
        again: Callable[[], Awaitable[object]] | None = None,
        notice: MachineNotice | None = None,
    ) -> None:
        self._notice = notice
        self._entrance = Entrance(again)
        self._health = health
        self._loop = asyncio.get_running_loop()
        self._network, self._chance = ports.network, ports.chance
        self._open_meter = ports.open_meter
        self._settings = settings
        self._limits = limits
        # A lost call must be noticed while there is still time for another before the server takes silence for death.
        self._answer_s = max(_ANSWER_LEAST_S, min(settings.answer_timeout_s, limits.beat_s))
        self._attempts = attempts
        self._outbox = outbox
        self._number = 0
        self._ack = 0
        self._ack_of = 0
        self._drain_of = 0
        self._held_at = float("-inf")
        self._sent_at = float("-inf")
        self._answered_at = self._loop.time()
        self._must_send = True
        self._suspect: tuple[Shipment, str] | None = None
        """A shipment that was rejected, and why: a report without items goes next, to tell whose fault it was."""
        self._beat_next = False
        self._clock = ports.clock
        self._cleaned = ""
        """What the last clean-up has done, until it was told."""
        self._meter: UseMeter | None = None
        self._quiet = asyncio.Event()
        self._over: asyncio.Future[Leave] = self._loop.create_future()

    async def run(self) -> Leave:
        """Until the worker has to go. Attempts may still be running then; nothing is sent any more."""
        tasks = [self._loop.create_task(each) for each in (self._send(), self._park(), self._watch())]
        try:
            waited: list[asyncio.Future[Any]] = [self._over, *tasks]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
            return await self._over
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Something outside has changed (a drain began): look whether it is time to go."""
        self._send_soon()
        self._leave_when_done()

    def give_up(self, detail: str) -> None:
        """Stop talking although not everything is reported."""
        self._end(Leave.CUT_OFF, detail)

    async def send_last_report(self) -> None:
        """Tell the server that nothing is left here. It matters little if it does not arrive: silence says the same."""
        for _ in range(_LEAVE_TRIES):
            try:
                await self._exchange(wait=False, leaving=True)
            except Unreachable:
                await asyncio.sleep(self._settings.retry_first_s)
            except Refused:
                return
            else:
                return

    # --- the three tasks

    async def _send(self) -> None:
        back_off = clock.BackOff(self._settings.retry_first_s, self._settings.retry_most_s, self._chance)
        while not self._over.done():
            await self._until_due()
            seen = await self._entrance.open()
            try:
                await self._exchange(wait=False)
            except Unreachable as error:
                self._must_send = True
                _LOG.warning("The exchange with the server failed and is repeated: %s.", clause(error))
                await asyncio.sleep(back_off.next_s())
            except Refused as error:
                self._must_send = True
                await self._refused(seen, error)
            except Exception:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
                self._must_send = True
                _LOG.exception("Internal error of this agent in an exchange. The agent continues.")
                await asyncio.sleep(back_off.next_s())
            else:
                back_off.reset()

    async def _park(self) -> None:
        back_off = clock.BackOff(self._settings.retry_first_s, self._settings.retry_most_s, self._chance)
        while not self._over.done():
            await self._quiet.wait()
            parked_at = self._loop.time()
            seen = await self._entrance.open()
            try:
                await self._exchange(wait=True)
            except Unreachable as error:
                _LOG.warning("A long poll failed: %s.", clause(error))
                self._send_soon()
                await asyncio.sleep(back_off.next_s())
            except Refused as error:
                self._send_soon()
                await self._refused(seen, error)
            except Exception:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
                _LOG.exception("Internal error of this agent in a long poll. The agent continues.")
                self._send_soon()
                await asyncio.sleep(back_off.next_s())
            else:
                back_off.reset()
                if self._outbox.waiting.is_set():
                    self._quiet.clear()
                elif self._loop.time() - parked_at < self._settings.park_gap_s:
                    await asyncio.sleep(self._settings.park_gap_s)

    async def _refused(self, seen: int, error: Refused) -> None:
        """The server does not know this token. One whose store was restored may still, or soon, let this worker activate anew."""
        if await self._entrance.passed_again(seen):
            self._held_at = float("-inf")
            return
        self._end(Leave.REFUSED, str(error))

    async def _watch(self) -> None:
        limit_s, beat_s = self._limits.self_delete_after_s, self._limits.beat_s
        pause_s = max(0.02, min(1.0, limit_s / 10, beat_s / 4))
        while not self._over.done():
            silent_s = self._loop.time() - self._answered_at
            if silent_s > limit_s:
                self._end(Leave.CUT_OFF, f"no answer for {silent_s:.0f} s")
            if self._loop.time() >= self._held_at + beat_s:
                self._send_soon()
            due_at = min(self._held_at + beat_s, self._answered_at + limit_s)
            await asyncio.sleep(max(pause_s, due_at - self._loop.time()))

    # --- one exchange

    async def _until_due(self) -> None:
        """Returns when there is something to send, or when somebody wants an exchange anyway."""
        waiting = self._outbox.waiting
        while not self._must_send and not waiting.is_set():
            self._quiet.set()
            await waiting.wait()
        self._quiet.clear()
        self._must_send = False
        gap_s = self._sent_at + self._settings.send_gap_s - self._loop.time()
        if gap_s > 0:
            await asyncio.sleep(gap_s)

    def _send_soon(self) -> None:
        self._must_send = True
        self._quiet.clear()
        self._outbox.waiting.set()

    async def _exchange(self, *, wait: bool, leaving: bool = False) -> None:
        now = self._loop.time()
        shipment = self._next_shipment(wait)
        tell_held = now >= self._held_at + self._limits.beat_s / 2
        try:
            number, body = self._written(shipment, wait=wait, leaving=leaving, tell_held=tell_held)
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            if not shipment.items:
                raise
            self._outbox.rejected(shipment, f"{type(error).__name__}: {error}")
            return
        if not wait:
            self._sent_at = now
        if tell_held:
            self._held_at = now
        try:
            answer = _DECODER.decode(
                await self._network.call(
                    "/exchange", body, self._limits.poll_s if wait else 0.0, self._answer_s
                )
            )
        except Rejected as error:
            self._held_at = float("-inf")
            self._rejected(shipment, str(error))
            return
        except Unreachable:
            self._held_at = float("-inf")
            raise
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._held_at = float("-inf")
            raise Unreachable(f"The answer of the server cannot be read: {clause(error)}.") from error
        self._answered_at = self._loop.time()
        self._entrance.answered()
        self._taken(shipment, answer)
        self._obey(number, answer)

    def _next_shipment(self, wait: bool) -> Shipment:
        """Nothing while a call is parked, after a rejection, and after a failure as long as the heart-beat is late: whatever is
        wrong with the items, the server hears that this worker lives."""
        late = self._loop.time() > self._answered_at + 2 * self._limits.beat_s
        self._beat_next = late and not self._beat_next
        empty = wait or self._suspect is not None or self._beat_next
        return Shipment([], [], []) if empty else self._outbox.pack()

    def _written(
        self, shipment: Shipment, *, wait: bool, leaving: bool, tell_held: bool
    ) -> tuple[int, bytes]:
        self._number = number = self._number + 1
        request = ExchangeRequest(
            number=number,
            ack=self._ack,
            finished=shipment.finished,
            started=shipment.started,
            logs=shipment.logs,
            held=self._attempts.held() if tell_held else None,
            use=self._meter.read() if tell_held and self._meter is not None else None,
            troubles=[
                *(self._health.troubles(self._loop.time()) if self._health is not None else ()),
                *self._attempts.troubles(),
            ],
            conditions=self._health.conditions() if self._health is not None else [],
            clock_ms=self._clock.now_ms() if tell_held else None,
            cleaned=self._cleaned,
            interrupted_ms=self._notice.left_ms() if self._notice is not None else None,
            wait=wait,
            leaving=leaving,
        )
        return number, _ENCODER.encode(request)

    def _rejected(self, shipment: Shipment, reason: str) -> None:
        """Raises Unreachable when it cannot be the items' fault: then everything is kept for later."""
        if shipment.items:
            self._suspect = shipment, reason
            self._send_soon()
            return
        self._suspect = None
        raise Unreachable(reason)

    def _taken(self, shipment: Shipment, answer: ExchangeAnswer) -> None:
        self._outbox.receipt(shipment)
        if self._suspect is not None:
            suspect, reason = self._suspect
            self._suspect = None
            self._outbox.rejected(suspect, reason)
            self._send_soon()
        for each in answer.refused:
            if each.kind == "finished" and 0 <= each.index < len(shipment.finished):
                self._outbox.refused_end(shipment.finished[each.index], each.reason)
            else:
                _LOG.error("The server refused an item of a report (%s): %s", each.kind, each.reason)

    def _obey(self, number: int, answer: ExchangeAnswer) -> None:
        if answer.number and number > self._ack_of:
            # A lower number than before in the answer to a later call is a new server process: its numbers count.
            self._ack, self._ack_of = answer.number, number
        self._measure(answer.use)
        if answer.servers:
            self._network.know(answer.servers)
        if answer.stop:
            self._end(Leave.STOPPED, "stop requested by the server")
            return
        if number > self._drain_of:  # an older answer may come later
            self._drain_of = number
            self._set_drain(answer.drain)
        if answer.deadline_ms is not None:
            self._attempts.tell_deadline(answer.deadline_ms / 1000)
        if answer.assign:
            self._attempts.take(answer.assign)
        if answer.cancel:
            self._attempts.cancel(answer.cancel)
        if not answer.clean_up:
            self._cleaned = ""
        elif not self._cleaned:
            known = self._health is not None
            held = set(self._attempts.held())
            self._cleaned = clean_up(self._settings, held) if known else "Its work folder is not known."
            _LOG.info("The server requested a clean-up. %s", self._cleaned)
            self._send_soon()
        self._leave_when_done()

    def _set_drain(self, wanted: bool) -> None:
        if wanted and not self._attempts.draining:
            _LOG.info("The server requested a drain.")
            self._attempts.drain()
        elif self._attempts.draining and not wanted:
            self._attempts.resume()

    def _measure(self, wanted: bool) -> None:
        if not wanted:
            self._meter = None
        elif self._meter is None:
            self._meter = self._open_meter(self._loop.time)
            self._meter.read()

    def _leave_when_done(self) -> None:
        if self._attempts.draining and self._attempts.is_idle() and self._outbox.empty:
            self._end(Leave.DONE, "")

    def _end(self, leave: Leave, detail: str) -> None:
        if not self._over.done():
            _LOG.info("The agent ends. %s%s.", leave.value, f" ({detail})" if detail else "")
            self._over.set_result(leave)
