"""What a machine of a fake runs at its start: the script in its user data, and the variables that the script sets. For whoever plays the machine."""

import base64
import json
import shlex

from herder.remote.clouds.cloud_config import PLACE


def script_in(cloud_config: str) -> str:
    """As cloud-init writes it where it runs at each boot."""
    head, _, text = cloud_config.partition("\n")
    assert head == "#cloud-config"
    (file,) = json.loads(text)["write_files"]
    assert (file["path"], file["permissions"]) == (PLACE, "0700")
    return base64.b64decode(file["content"]).decode()


def variables_in(script: str) -> dict[str, str]:
    words = [shlex.split(line) for line in script.splitlines() if line.startswith("export ")]
    pairs = (word.partition("=") for line in words for word in line[1:])
    return {name: value for name, _, value in pairs}
