"""The bootstraps that herder.yaml names, made at the start of a term of leading and not called yet."""

from pathlib import Path

from herder.bootstraps.registry import UnknownBootstrap, open_bootstrap
from herder.control.kernel.clock import SystemClock
from herder.model.fleet.bootstrap import BootstrapSettings
from herder.ports.bootstrap import Bootstrap, BootstrapContext
from herder.server.options import StartError
from herder.wire.kind_settings import BadSettings


def make_bootstraps(
    wanted: tuple[BootstrapSettings, ...], installation: str, data_folder: Path
) -> dict[str, Bootstrap]:
    """By name. Raises StartError."""
    made: dict[str, Bootstrap] = {}
    for each in wanted:
        context = BootstrapContext(
            name=each.name, installation=installation, clock=SystemClock(), data_folder=str(data_folder)
        )
        try:
            made[each.name] = open_bootstrap(each.kind, dict(each.settings), context)
        except (BadSettings, UnknownBootstrap) as error:
            raise StartError(
                f"Bootstrap {each.name} cannot be opened. {error}",
                "Correct the section `bootstraps` of herder.yaml.",
            ) from None
    return made
