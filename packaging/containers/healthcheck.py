"""Asks the server of this container for its health; run by HEALTHCHECK. It must need nothing but the standard library.

The address is that of server.json in the data folder. The certificate is not checked: the call stays in the container and carries no token.
"""

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path


def main() -> int:
    """0: the server answers; 1: it does not, with the reason on stderr."""
    file = Path(os.environ.get("HERDER_DATA_DIR", "/var/lib/herder")) / "server.json"
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        address = json.loads(file.read_text())["url"]
        with urllib.request.urlopen(f"{address}/api/v1/health", timeout=4, context=trusting) as answer:
            answer.read()
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"The server of {file} does not answer: {error}.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
