"""`python -m herder.testing.datacentre --folder DIR`: a datacentre in a process of its own.

Writes the files that lead Herder to it, prints its addresses on lines of the form NAME=VALUE, and ends with the process that started it. At its end
it prints what is left over in it.
"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from herder.testing.datacentre.files import write_files
from herder.testing.datacentre.running import serving
from herder.testing.datacentre.settings import quick_settings

PARENT_EVERY_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m herder.testing.datacentre", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="Folder for its files, which exists.")
    parser.add_argument("--hosts", type=int, default=2, help="Hosts of the Proxmox cluster.")
    parser.add_argument("--memory-mib", type=int, default=65_536, help="Memory of each host.")
    asked = parser.parse_args()
    parent = os.getppid()  # before the addresses are known: who reads them may end at once
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with serving(quick_settings(hosts=asked.hosts, host_memory_mib=asked.memory_mib)) as server:
        access = write_files(asked.folder, server)
        for name, value in (
            ("PROXMOX_URL", access.proxmox_url),
            ("PROXMOX_TOKEN_ID", access.token_id),
            ("TALOS_PORT", access.talos_port),
            ("KUBERNETES_URL", server.running.kubernetes_url),
        ):
            sys.stdout.write(f"{name}={value}\n")
        sys.stdout.flush()
        while not stopping.wait(PARENT_EVERY_S) and os.getppid() == parent:
            continue
        left = server.call(lambda centre, _: centre.left_over())
    sys.stdout.writelines(f"{each}\n" for each in left)


if __name__ == "__main__":
    main()
