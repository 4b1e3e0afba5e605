"""The user data of a cloud whose machines read it with cloud-init: a script that runs at each boot. Pure.

A script that is the user data itself would run at the first boot only.
"""

import base64
import json

PLACE = "/var/lib/cloud/scripts/per-boot/herder"


def at_each_boot(script: str) -> str:
    """A cloud-config that writes `script` where cloud-init runs what it finds, at the end of each boot; the first one included. JSON is YAML."""
    file = {
        "path": PLACE,
        "permissions": "0700",
        "encoding": "b64",
        "content": base64.b64encode(script.encode()).decode(),
    }
    return f"#cloud-config\n{json.dumps({'write_files': [file]})}\n"
