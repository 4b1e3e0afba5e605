"""Workers as Kubernetes Jobs: one pod, one agent, one job of Herder each."""

from herder.drivers.kubernetes_jobs.driver import KubernetesJobsDriver, make
from herder.drivers.kubernetes_jobs.settings import KubernetesJobsSettings

settings_type = KubernetesJobsSettings

__all__ = ["KubernetesJobsDriver", "KubernetesJobsSettings", "make", "settings_type"]
