"""What a VM of Azure boots with, and the names and limits that Azure has for all VMs. Pure."""

import base64
import shlex
from urllib.parse import urlencode

from herder.model.fleet.driver import InvalidRequest, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.remote.clouds.cloud_config import at_each_boot
from herder.remote.clouds.start_script import SetUp, start_script

ARM_URL = "https://management.azure.com"
LOGIN_URL = "https://login.microsoftonline.com"
METADATA_URL = "http://169.254.169.254"
NOTICE_URL = f"{METADATA_URL}/metadata/scheduledevents?api-version=2020-07-01"
VM_SIZE = r"[A-Z][A-Za-z]*_[A-Za-z0-9-]+(_[A-Za-z0-9]+)*"
MARKETPLACE_IMAGE = r"[^\s:]+:[^\s:]+:[^\s:]+:[^\s:]+"
ADMIN_USER = r"[a-z_][-a-z0-9_]{0,31}"
CUSTOM_DATA_BYTES_MAX = 65_535


def custom_data(spec: WorkerSpec, installation: str, start: StartData, set_up: SetUp) -> str:
    """In Base64: what the pool's bootstrap says, else the start script. Raises InvalidRequest."""
    if start.boot is not None:
        text = start.boot.user_data
    else:
        text = at_each_boot(start_script(spec.name, installation, start, set_up))
    data = text.encode()
    if len(data) > CUSTOM_DATA_BYTES_MAX:
        raise InvalidRequest(
            f"Worker {spec.name} boots with {len(data):,} bytes of data; Azure takes {CUSTOM_DATA_BYTES_MAX:,}. Make its user data, or pull_images, shorter."
        )
    return base64.b64encode(data).decode()


def marketplace_image(image: str) -> dict[str, str]:
    return dict(zip(("publisher", "offer", "sku", "version"), image.split(":"), strict=True))


def call_as_identity(resource: str, request: str, identity: str = "") -> str:
    """Lines of the shell, for the VM itself: one call with a token of its managed identity for `resource`. `request`: words for curl, quoted.
    `identity`: the id of the one that is meant; empty: the VM has no other."""
    query = {"api-version": "2018-02-01", "resource": resource} | (
        {"mi_res_id": identity} if identity else {}
    )
    token = shlex.quote(f"{METADATA_URL}/metadata/identity/oauth2/token?{urlencode(query)}")
    return (
        f'token=$(curl -sf -H Metadata:true {token} | sed -n \'s/.*"access_token":"\\([^"]*\\)".*/\\1/p\')\n'
        f'printf \'header = "Authorization: Bearer %s"\\n\' "$token" | curl -sf -K - {request}\n'
    )
