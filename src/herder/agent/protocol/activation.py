"""Activation: exchanges the one-time token for the worker's own token and limits. Called once, by `main`.

Repeats are harmless because every try carries the same nonce; so it tries until the server answers or until
`self_delete_after_s` is over – a worker that is not activated must not keep running and cost money.
"""

import asyncio

import msgspec

import herder
from herder.agent.environment import clock
from herder.agent.environment.connection import Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.facts import MachineFacts
from herder.agent.machine.ports import AgentPorts
from herder.model.values.phrases import clause
from herder.wire.worker.exchange import ActivateAnswer, ActivateRequest

#: From the moment the server let it in, a worker that is not heard counts towards death: a lost answer must be noticed long before.
_ANSWER_S = 5.0


async def activate(ports: AgentPorts, settings: AgentSettings, nonce: str) -> ActivateAnswer:
    """The same nonce again gets the same token, also from a server that has lost and restored its store. Raises Refused (the token is not
    or no longer good) or Unreachable (time is up)."""
    loop, network = asyncio.get_running_loop(), ports.network
    give_up_at = loop.time() + settings.self_delete_after_s
    back_off = clock.BackOff(settings.retry_first_s, settings.retry_most_s, ports.chance)
    body = msgspec.json.encode(_introduction(ports.facts(settings.folder), nonce))
    answer_s = min(settings.answer_timeout_s, _ANSWER_S)
    network.use_token(settings.activation_token)
    while True:
        try:
            said = await network.call("/activate", body, answer_s=answer_s)
            answer = msgspec.json.decode(said, type=ActivateAnswer)
        except (Unreachable, Rejected, msgspec.MsgspecError, UnicodeDecodeError) as error:
            wait_s = back_off.next_s()
            if loop.time() + wait_s > give_up_at:
                raise Unreachable(
                    f"The worker was not activated within {settings.self_delete_after_s:g} s: {clause(error)}."
                ) from error
            await asyncio.sleep(wait_s)
        else:
            network.use_token(answer.token)
            network.know(answer.servers)
            return answer


def _introduction(facts: MachineFacts, nonce: str) -> ActivateRequest:
    return ActivateRequest(
        nonce=nonce,
        pid=facts.pid,
        hostname=facts.hostname,
        version=herder.__version__,
        cpu_milli=facts.cpu_milli,
        memory_mib=facts.memory_mib,
        disk_mib=facts.disk_mib,
    )
