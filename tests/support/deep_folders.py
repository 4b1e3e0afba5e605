"""Folders nested deeper than Python's recursion goes, each with a link and a file. Used by tests of what removes folders of jobs."""

import subprocess
import sys
from pathlib import Path

NESTS = """
import os, sys
os.chdir(sys.argv[1])
for number in range(int(sys.argv[2])):
    os.mkdir("folder")
    os.symlink("/etc/hostname", "link")
    with open("file", "w") as file:
        file.write("secret")
    os.chdir("folder")
"""
LEVELS = 1_100


def nest(folder: Path, levels: int = LEVELS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", NESTS, folder, str(levels)], check=True)
    return folder
