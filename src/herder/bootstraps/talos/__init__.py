"""Machines that run Talos Linux: the operator's base configuration, merged for each worker, and the Talos API afterwards."""

from herder.bootstraps.talos.opening import make
from herder.bootstraps.talos.settings import TalosSettings

settings_type = TalosSettings

__all__ = ["TalosSettings", "make", "settings_type"]
