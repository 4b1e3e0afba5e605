"""What a provider did with the machine of a worker. For a person who looks for a fault; asks the provider."""

from herder.control.drivers import calling
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.model.fleet.driver import DriverError
from herder.model.ids import WorkerName
from herder.model.values.phrases import clause, sentence
from herder.model.values.times import iso_or_none
from herder.wire.api.drivers import OperationView


async def operation_views(core: Core, driver: str, worker: WorkerName) -> list[OperationView]:
    """The newest first. Raises NotKnown."""
    try:
        found = await calling.operations(core, driver, worker)
    except DriverError as error:
        text = f"The operations of the machine of worker {worker} are not known: {clause(error)}"
        raise NotKnown(sentence(text)) from None
    return [
        OperationView(
            kind=each.kind, state=each.state, began=iso_or_none(each.began_ms), by=each.by, detail=each.detail
        )
        for each in found
    ]
