"""Joins a machine that a person added: exchanges a join token for a worker's name and activation token. Called by the command `herder
agent`.

Repeats are harmless because every try carries the same nonce. It gives up soon, because a person waits at the terminal.
"""

import asyncio
from dataclasses import replace

import msgspec

from herder.agent.environment import clock
from herder.agent.environment.connection import Connection, Refused, Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings, SettingsError
from herder.agent.machine.facts import facts_of_machine
from herder.wire.worker.exchange import JoinAnswer, JoinRequest

GIVE_UP_AFTER_S = 30.0
#: Marks the processes of such workers: not those of a server's own local workers, which may be on the same machine.
INSTALLATION = "joined"


def join(settings: AgentSettings) -> AgentSettings:
    """`settings.activation_token` is the join token. Raises Refused, Rejected, Unreachable or SettingsError."""
    answer = asyncio.run(_join(settings))
    return replace(
        settings, worker=answer.worker, activation_token=answer.activation_token, installation=INSTALLATION
    )


async def _join(settings: AgentSettings) -> JoinAnswer:
    connection = Connection(settings)
    facts = facts_of_machine(settings.folder.parent)
    request = JoinRequest(
        nonce=clock.nonce(),
        hostname=facts.hostname,
        cpu_milli=facts.cpu_milli,
        memory_mib=facts.memory_mib,
        disk_mib=facts.disk_mib,
    )
    body, loop = msgspec.json.encode(request), asyncio.get_running_loop()
    give_up_at = loop.time() + GIVE_UP_AFTER_S
    back_off = clock.BackOff(settings.retry_first_s, settings.retry_most_s)
    connection.use_token(settings.activation_token)
    try:
        while True:
            try:
                return msgspec.json.decode(await connection.call("/join", body), type=JoinAnswer)
            except (Unreachable, msgspec.MsgspecError) as error:
                wait_s = back_off.next_s()
                if loop.time() + wait_s > give_up_at:
                    raise Unreachable(str(error)) from error
                await asyncio.sleep(wait_s)
    finally:
        await connection.close()


__all__ = ["Refused", "Rejected", "SettingsError", "Unreachable", "join"]
