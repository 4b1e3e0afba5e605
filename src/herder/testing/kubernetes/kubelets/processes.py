"""Containers as processes on this machine: the command of a pod, with its variables, in a folder and a process group of its own.

Started, asked and ended by the kubelets, which are called often enough: there is no thread. All processes end with the cluster.
"""

import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import CONFIG_MAPS, SECRETS
from herder.testing.kubernetes.objects.store import Store

LOG_MOST = 1 << 20
#: A process is asked so often whether it has ended.
POLL_MS = 20
_VARIABLE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class CannotStart(Exception):
    """Its variables name what does not exist, or the command cannot be run."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def has_command(pod: Json) -> bool:
    return bool(pod["spec"]["containers"][0].get("command"))


def _data_of(store: Store, namespace: str, kind: str, reference: Json) -> dict[str, str]:
    resource = SECRETS if kind == "secret" else CONFIG_MAPS
    held = store.get(resource, (namespace, reference["name"]))
    if held is None:
        if reference.get("optional"):
            return {}
        message = f'{"secret" if kind == "secret" else "configmap"} "{reference["name"]}" not found'
        raise CannotStart("CreateContainerConfigError", message)
    data = held.decode().get("data") or {}
    if kind == "secret":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return dict(data)


def _field(pod: Json, path: str) -> str:
    metadata = pod["metadata"]
    if path.startswith("metadata.labels['"):
        return str((metadata.get("labels") or {}).get(path[17:-2], ""))
    return str(
        {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata.get("namespace", ""),
            "metadata.uid": metadata.get("uid", ""),
            "spec.nodeName": pod["spec"].get("nodeName", ""),
            "status.podIP": "127.0.0.1",
            "status.hostIP": "127.0.0.1",
        }.get(path, "")
    )


def _value_from(store: Store, pod: Json, name: str, source: Json) -> str:
    if field := source.get("fieldRef"):
        return _field(pod, field["fieldPath"])
    for part, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "config")):
        if reference := source.get(part):
            data = _data_of(store, pod["metadata"]["namespace"], kind, reference)
            if reference["key"] not in data and not reference.get("optional"):
                text = f"couldn't find key {reference['key']} in {reference['name']} for {name}"
                raise CannotStart("CreateContainerConfigError", text)
            return data.get(reference["key"], "")
    return ""


def environment(store: Store, pod: Json, container: Json) -> dict[str, str]:
    """Raises CannotStart."""
    found: dict[str, str] = {}
    namespace = pod["metadata"]["namespace"]
    for each in container.get("envFrom") or ():
        for part, kind in (("secretRef", "secret"), ("configMapRef", "config")):
            if reference := each.get(part):
                data = _data_of(store, namespace, kind, reference)
                found |= {each.get("prefix", "") + key: value for key, value in data.items()}
    for each in container.get("env") or ():
        if source := each.get("valueFrom"):
            found[each["name"]] = _value_from(store, pod, each["name"], source)
        else:
            found[each["name"]] = _expanded(each.get("value", ""), found)
    return found


def _expanded(text: str, variables: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), text)


class Process:
    """The first container of a pod."""

    poll_ms = POLL_MS
    reason = ""

    def __init__(self, store: Store, pod: Json) -> None:
        container = pod["spec"]["containers"][0]
        variables = environment(store, pod, container)
        words = [
            _expanded(each, variables) for each in (*container["command"], *(container.get("args") or ()))
        ]
        self.folder = Path(tempfile.mkdtemp(prefix="herder-pod-"))
        self._log = self.folder / "log"
        paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        base = {
            "PATH": paths,
            "HOME": str(self.folder),
            "HOSTNAME": pod["metadata"]["name"],
            "LANG": "C.UTF-8",
        }
        try:
            with self._log.open("wb") as out:
                self._popen = subprocess.Popen(
                    words,
                    cwd=self.folder,
                    env={**base, **variables},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise CannotStart("StartError", f"failed to start {words[0]!r}: {error.strerror}") from None

    def exit_code(self) -> int | None:
        """None: it runs. As a shell says it: 128 and the signal."""
        code = self._popen.poll()
        if code is None:
            return None
        return 128 - code if code < 0 else code

    def log(self) -> bytes:
        try:
            return self._log.read_bytes()[-LOG_MOST:]
        except OSError:
            return b""

    def stop(self, *, at_once: bool = False) -> None:
        try:
            os.killpg(self._popen.pid, signal.SIGKILL if at_once else signal.SIGTERM)
        except (ProcessLookupError, PermissionError):
            return

    def clear(self) -> None:
        self.stop(at_once=True)
        self._popen.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
