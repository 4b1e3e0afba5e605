"""The clouds of the demo, their credentials, and the herder.yaml of its server. Used by `story`.

The times are seconds where a real installation has minutes; nothing else differs.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from herder.client.http import clock
from herder.control.kernel.secret_tokens import new_token
from herder.demo.clouds.providers import SCALE, Amazon, Google, Microsoft, PlayedCloud
from herder.demo.demo_server import own
from herder.testing import aws, azure, gcp
from herder.testing.aws.cloud import IMAGE as AWS_IMAGE
from herder.testing.azure.settings import IMAGE as AZURE_IMAGE
from herder.testing.fakes.serving import Serving, serving
from herder.testing.gcp.settings import IMAGE as GOOGLE_IMAGE

POOL = "batch"
GOOGLE_ZONES = ("europe-west4-a", "europe-west4-b")
AZURE_ZONES = ("westeurope-1", "westeurope-2")
AWS_ZONES = ("eu-west-1a", "eu-west-1b")
_KEY, _PRINCIPAL = "google.json", "azure.json"

SETTINGS = """\
# Written by `herder demo --clouds`. The times are seconds here; in a real installation they are minutes and hours.
drivers:
  google:
    kind: gcp
    settings:
      project: {project}
      zones: "{google_zones}"
      image: {google_image}
      credentials_file: {folder}/{key}
      compute_url: {google}/compute/v1
      billing_url: {google}/v1
      projects_url: {google}/v1
  azure:
    kind: azure
    settings:
      subscription: {subscription}
      resource_group: {group}
      zones: "{azure_zones}"
      image: {azure_image}
      subnet: herder-{{location}}/workers
      ssh_public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDemo operator
      credentials_file: {folder}/{principal}
      arm_url: {azure}
      login_url: {azure}
      prices_url: {azure}
      metadata_url: {azure}
  aws:
    kind: aws
    settings:
      region: eu-west-1
      image: {aws_image}
      ec2_url: {aws}
templates:
  google-2:
    driver: google
    driver_options: {{machine_type: n2-standard-2}}
    cpu: 1
    memory: 512Mi
    disk: 10Gi
    price_per_hour: "0.105"
    spot_price_per_hour: "0.035"
    zones: [{google_zones}]
    spot: prefer
  azure-2:
    driver: azure
    driver_options: {{vm_size: Standard_D2s_v5}}
    cpu: 1
    memory: 512Mi
    disk: 10Gi
    price_per_hour: "0.115"
    spot_price_per_hour: "0.023"
    zones: [{azure_zones}]
    spot: prefer
  aws-2:
    driver: aws
    driver_options: {{instance_type: m7i.large}}
    cpu: 1
    memory: 512Mi
    disk: 10Gi
    price_per_hour: "0.113"
    spot_price_per_hour: "0.041"
    zones: [{aws_zones}]
    spot: prefer
pools:
  {pool}:
    description: One pool on three clouds.
    templates: [google-2, azure-2, aws-2]
    max_workers: 8
    scale_up_cooldown: 0s
    scale_down_cooldown: 0s
    idle_timeout: 2s
    drain_grace: 5s
    dead_after: 10s
    boot_timeout: 60s
"""


@dataclass(frozen=True, slots=True)
class Clouds:
    google: Google
    azure: Microsoft
    aws: Amazon

    @property
    def all(self) -> tuple[PlayedCloud, ...]:
        return self.google, self.azure, self.aws


@contextmanager
def played_clouds() -> Iterator[Clouds]:
    """Three providers with addresses, until the block ends."""
    now_ms = int(clock.now_s() * 1000)
    with ExitStack() as stack:

        def opened(fake: gcp.Gcp | azure.Azure | aws.Aws) -> Serving:
            # Who may create machines here may run programs as the user of the demo.
            secret = new_token()
            return stack.enter_context(serving(fake, SCALE, start_ms=now_ms, secret=secret))

        project = gcp.small_project()
        project.quotas["N2_CPUS"] = 1_000.0
        google, microsoft, amazon = (
            gcp.Gcp(project, now_ms=now_ms),
            azure.Azure(now_ms=now_ms),
            aws.Aws(now_ms=now_ms),
        )
        yield Clouds(
            Google(google, opened(google)),
            Microsoft(microsoft, opened(microsoft)),
            Amazon(amazon, opened(amazon)),
        )


def settings_text(folder: Path, clouds: Clouds) -> str:
    """Writes the credentials that it names."""
    _write_secret(folder / _KEY, _service_account(clouds.google.url))
    _write_secret(folder / _PRINCIPAL, {"appId": "herder", "password": "demo", "tenant": "demo"})
    return SETTINGS.format(
        folder=folder,
        key=_KEY,
        principal=_PRINCIPAL,
        project=gcp.PROJECT,
        subscription=azure.SUBSCRIPTION,
        group=azure.GROUP,
        google=clouds.google.url,
        azure=clouds.azure.url,
        aws=clouds.aws.url,
        google_image=GOOGLE_IMAGE,
        azure_image=AZURE_IMAGE,
        aws_image=AWS_IMAGE,
        google_zones=", ".join(GOOGLE_ZONES),
        azure_zones=", ".join(AZURE_ZONES),
        aws_zones=", ".join(AWS_ZONES),
        pool=POOL,
    )


def variables() -> dict[str, str]:
    """Of the server's environment: credentials of AWS; and no proxy is asked for what is on this machine."""
    keys = {"AWS_ACCESS_KEY_ID": aws.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": aws.SECRET, "AWS_SESSION_TOKEN": ""}
    return {**keys, "NO_PROXY": "*", "no_proxy": "*"}


def _service_account(url: str) -> dict[str, str]:
    """As `gcloud iam service-accounts keys create` writes it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "type": "service_account",
        "project_id": gcp.PROJECT,
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": f"herder@{gcp.PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }


def _write_secret(path: Path, content: dict[str, str]) -> None:
    own(path)
    path.write_text(json.dumps(content), encoding="utf-8")
