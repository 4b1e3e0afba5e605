"""A base image for tests, made of the Python that runs them and the libraries that it needs: no registry is asked."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

BASE = "localhost/herder-base:1"
PROGRAMS = ("sh", "mkdir", "chown", "chmod", "echo", "env", "cat", "sleep", "true")
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "__pycache__"}
LOADER = re.compile(r"(/\S+) \(0x")


def write_base(path: Path) -> None:
    """A tar file with busybox, Python and libraries, at the paths that they have here."""
    python, stdlib = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib", vars={"base": sys.base_prefix}))
    program = python / "bin" / f"python3.{sys.version_info.minor}"
    objects = [program, *stdlib.glob("lib-dynload/*.so")]
    busybox = shutil.which("busybox")
    assert busybox is not None
    with tarfile.open(path, "w") as tar:
        for name in ("tmp", "proc", "etc", "var", "root"):
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(made)
        tar.add(busybox, "bin/busybox")
        for name in PROGRAMS:
            _link(tar, f"bin/{name}", "busybox")
        tar.add(program, str(program).lstrip("/"))
        _link(tar, "usr/bin/python3", str(program))
        tar.add(stdlib, str(stdlib).lstrip("/"), filter=_wanted)
        for library in sorted(_libraries(objects)):
            tar.add(library.resolve(), str(library).lstrip("/"))


def _wanted(each: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(each.name).parts
    unwanted = LEFT_OUT.intersection(parts) or any(part.startswith("config-3") for part in parts)
    return None if unwanted else each


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = tarfile.SYMTYPE, target
    tar.addfile(made)


def _libraries(objects: list[Path]) -> set[Path]:
    told = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False).stdout
    # Wheels and the resolver load these, Python itself does not.
    more = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    extra = {
        Path(line.rpartition(" => ")[2])
        for line in more.splitlines()
        if re.match(r"\s+lib(gcc_s|stdc\+\+|rt|resolv|dl|pthread|util|m|nss_files|nss_dns)\.so", line)
        and "x32" not in line
    }
    return {Path(found) for found in LOADER.findall(told)} | extra
