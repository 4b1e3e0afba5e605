"""The datacentre of the demo and the herder.yaml of its server. Used by `story`.

All times are seconds where a real installation has minutes and hours; nothing else differs.
"""

from pathlib import Path

from herder.testing.datacentre.files import Access, write_files
from herder.testing.datacentre.running import Serving
from herder.testing.datacentre.settings import DatacentreSettings, quick_settings

CLUSTER = "prod"
#: Two hosts of this size take two workers each: four in all.
HOSTS = 2
HOST_MEMORY_MIB = 9_216

SETTINGS = """\
# Written by `herder demo --datacentre`. The times are seconds here; in a real installation they are minutes and hours.
drivers:
  proxmox:
    kind: proxmox
    pause_between_starts: 0s
    create_retry_pause: 2s
    settings:
      url: {access.proxmox_url}
      token_id: {access.token_id}
      token_secret_file: {access.token_secret}
      storage: local-lvm
      bridge: vmbr0
      vlan: "20"
      worker_overhead_mib: "512"
bootstraps:
  talos: {{kind: talos, base_config: {access.base_config}, talosconfig: {access.talosconfig}, port: "{access.talos_port}"}}
clusters:
  prod: {{kubeconfig: {access.kubeconfig}, stale_after: 1m}}
templates:
  medium: {{cpu: 1900m, memory: 3584Mi, disk: 20Gi, price_per_hour: "0.24"}}
  medium-spot: {{cpu: 1900m, memory: 3584Mi, disk: 20Gi, price_per_hour: "0.08"}}
pools:
  permanent:
    preset: permanent
    driver: proxmox
    membership: kubernetes
    cluster: prod
    bootstrap: talos
    templates: [medium]
    driver_options: {{template: talos-worker}}
    min_workers: 1
    max_workers: 2
    pending_pods: null
    scale_up_cooldown: 0s
    scale_down_cooldown: 0s
    offer_backoff: 1s
    drain_grace: 5s
    repair:
      - {{condition: NotReady, after: 2s, rung: restart_service}}
      - {{condition: KubeletCrashLoop, count: 4, rung: reboot}}
  burst:
    preset: burst
    driver: proxmox
    membership: kubernetes
    cluster: prod
    bootstrap: talos
    templates: [medium]
    driver_options: {{template: talos-worker}}
    max_workers: 2
    pending_pods: 3
    pending_pods_for: 2s
    scale_up_cooldown: 0s
    scale_down_cooldown: 0s
    idle_timeout: 2s
    ttl: 30s
    ttl_jitter: 0%
    ttl_max: 10m
    ttl_warning: 15s
    ttl_grace: 1s
    drain_grace: 2s
    on_blocked: wait
    repair: off
  spot:
    preset: spot
    driver: proxmox
    membership: kubernetes
    cluster: prod
    bootstrap: talos
    templates: [{{name: medium-spot, spot: "yes"}}]
    driver_options: {{template: talos-worker}}
    max_workers: 1
    pending_pods: 1
    pending_pods_for: 1s
    scale_up_cooldown: 0s
    idle_timeout: 2s
    drain_grace: 3s
    repair: off
"""


def datacentre_settings() -> DatacentreSettings:
    return quick_settings(hosts=HOSTS, host_memory_mib=HOST_MEMORY_MIB)


def settings_text(folder: Path, server: Serving) -> str:
    access: Access = write_files(folder, server)
    return SETTINGS.format(access=access)
