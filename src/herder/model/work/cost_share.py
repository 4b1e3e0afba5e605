"""The share of a machine's price that a request pays. Used by `ledger/` for costs, and by `decide/` for the cost of lost work.

The share follows OpenCost's way of splitting a node: the machine's price is divided among its CPU, memory and GPUs in the ratio of
list rates, so that a job that holds the GPUs pays for GPUs and not for the cores beside them. Shares of jobs that fit together never
sum to more than the machine; the rest is idle cost.
"""

from functools import lru_cache
from math import gcd

from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.values.resources import Resources
from herder.model.work.usage import Machine

#: List rates, by which a machine's price is split: US dollars for an hour of a core, of a GiB, of a GPU (Cortex' internal rate card).
CORE_HOUR = PICO_PER_USD * 5 // 100
GIB_HOUR = PICO_PER_USD * 5 // 1000
GPU_HOUR = PICO_PER_USD * 50 // 100
#: Different shares that are remembered: pairs of a machine's size and a request, of which a fleet has few.
SHARES_KEPT = 4096


def price_per_hour(machine: Machine, request: Resources) -> PicoUsd:
    """Pico-USD for an hour of `request` on this machine, rounded half-even."""
    part, whole = share_of(machine.price_pico_per_hour, machine.allocatable, machine.gpu_parts, request)
    return rounded(machine.price_pico_per_hour * part, whole)


@lru_cache(maxsize=SHARES_KEPT)
def share_of(price: int, allocatable: Resources, gpu_parts: int, request: Resources) -> tuple[int, int]:
    """(part, whole): the exact share of the machine's price that the request pays, in lowest terms: sums are made of it for each attempt.

    CPU and memory weigh their list rates. GPUs weigh what the price leaves beside these – a dear GPU is dear – but never less than
    the list rate: the price may be spot, or nothing.
    """
    part, whole = weight_of(price, allocatable, gpu_parts, request)
    common = gcd(part, whole)
    return part // common, whole // common


def weight_of(price: int, allocatable: Resources, gpu_parts: int, request: Resources) -> tuple[int, int]:
    """As `share_of`, but all requests to one machine have the same `whole`: their parts can be added up as whole numbers."""
    cores, gib = allocatable.cpu_milli * CORE_HOUR // 1000, allocatable.memory_mib * GIB_HOUR // 1024
    gpus = allocatable.gpu and max(price - cores - gib, GPU_HOUR * allocatable.gpu // gpu_parts)
    part, whole = 0, 1
    for weight, asked, there in (
        (cores, request.cpu_milli, allocatable.cpu_milli),
        (gib, request.memory_mib, allocatable.memory_mib),
        (gpus, request.gpu, allocatable.gpu),
    ):
        if there > 0 and weight > 0:
            part, whole = part * there + weight * min(asked, there) * whole, whole * there
    return part, max(1, whole * (cores + gib + gpus))


def rounded(numerator: int, denominator: int) -> PicoUsd:
    """Half-even, as `model.values.money.cost_of`."""
    whole, rest = divmod(numerator, denominator)
    up = 2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1)
    return PicoUsd(whole + up)
