"""Writes `remote/talos/messages/*_pb2.py` and their hashes again. For maintainers, after a change of a `.proto` file there.

`pip install grpcio-tools` in an environment of its own, and run it with the Python of that one. It runs protoc and writes files, nothing else.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "src"
FOLDER = ROOT / "herder" / "remote" / "talos" / "messages"


def main() -> None:
    sources = sorted(str(each) for each in FOLDER.glob("*.proto"))
    targets = [f"--python_out={ROOT}", f"--pyi_out={ROOT}"]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={ROOT}", *targets, *sources], check=True
    )
    files = sorted([*FOLDER.glob("*.proto"), *FOLDER.glob("*_pb2.py"), *FOLDER.glob("*_pb2.pyi")])
    lines = [f'"{each.name}" = "{hashlib.sha256(each.read_bytes()).hexdigest()}"' for each in files]
    (FOLDER / "generated.toml").write_text("[sha256]\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
