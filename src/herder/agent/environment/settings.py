"""Settings of one agent, each with its unit and the reason for its default. Read by everything in `herder.agent`.

They come from the environment that a driver (or a person) gives to the worker; `from_environment` takes the activation
token out of it, so that no attempt can inherit it.
"""

import os
import stat
import tempfile
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from herder.observability.logs import LogFormat, LogLevel
from herder.wire.worker import startup

_E = TypeVar("_E", bound=StrEnum)

#: The longest notice that is assumed where none is said.
NOTICE_MAX_S = 3600.0
MEBIBYTES_DIGITS = 12


class SettingsError(ValueError):
    """The agent cannot start like this; the text says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    server_url: str
    """Base address of the server, for example http://10.0.0.5:8080. Of several servers: their addresses, separated by commas."""
    worker: str
    activation_token: str = field(repr=False)
    """Works once. Never logged; not part of `repr`."""
    joins: bool = False
    """The token is a join token: which worker this is, the server says (`joining`)."""
    one_job: bool = False
    """Leave when the first attempt has ended and the server has acknowledged that."""
    installation: str = "default"
    """Marks this worker's processes; several installations may share a machine."""
    work_folder: Path | None = None
    """Where scratch folders are made; None: `herder-INSTALLATION-WORKER` in the machine's temporary folder."""
    self_delete_after_s: float = 600.0
    """Give up activation after this long; the server's answer then sets the limit for being cut off."""
    ca_file: str | None = None
    """Certificate authority to trust for an https server; None: the system's."""

    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel = LogLevel.INFO

    # --- talking to the server
    answer_timeout_s: float = 15.0
    """Most a call may take beyond what the server may hold it open; an exchange at most a beat, a third of `dead_after_s`,
    and an activation 5 s."""
    fetch_timeout_s: float = 300.0
    """Most a download of an attempt's inputs may take; then it is begun anew."""
    fetches_most: int = 4
    """Downloads at a time; the others wait."""
    fetch_tries: int = 5
    retry_first_s: float = 0.05
    retry_most_s: float = 2.0
    """Back-off when the server cannot be reached: quick for a restart, at most 0.5 calls/s and worker in a long outage."""
    send_gap_s: float = 0.002
    """Least time between two sends, so that ends of jobs in the same instant travel together."""
    park_gap_s: float = 0.005
    """Wait before parking again when a parked call came back at once with nothing: bounds the calls of a hasty server."""
    started_delay_s: float = 0.05
    """A start is reported only of attempts that run longer: short ones report start and end in one."""
    finished_per_exchange: int = 2000
    bytes_per_exchange: int = 4 * 2**20
    """Results and output in one exchange, so that a request stays well under what servers accept (at least one item)."""
    remember_ended: int = 20_000
    """Ended attempts remembered to recognise a late repeat of their assignment: seconds of the highest rate, about 2 MiB."""
    leave_timeout_s: float = 15.0
    """Longest time to report the last results after SIGTERM: under the 30 s that Kubernetes and systemd commonly give."""

    # --- the end of the machine
    notice_file: Path | None = None
    """Appears when the machine is to be taken back."""
    notice_url: str = ""
    """A metadata address that says the same (`machine/notice_formats.py`)."""
    notice_s: float = 30.0
    """How long is left when a notice does not say it: the shortest that a large cloud gives."""
    notice_file_every_s: float = 1.0
    notice_url_every_s: float = 5.0
    """As clouds advise: a notice of 30 s is known early enough."""
    notice_url_deadline_s: float = 2.0
    notice_margin_s: float = 5.0
    """As long as the server is not heard of: attempts are told a deadline that is so long before the end, at most half of a notice."""

    health_check_s: float = 30.0
    """How often it is looked at whether attempts can be started here at all; at every exchange while they cannot."""
    free_least_part: float = 0.05
    """With less than this part of the disk, the memory or the process ids left, and less than the amounts below, the machine is under
    pressure and takes no new work. Both, since 5 % of a large disk is plenty and 100 MiB of a small one may be all that there is."""
    disk_free_least_mib: int = 100
    memory_free_least_mib: int = 100
    """As the kubelet's memory.available."""
    clean_up_entries_most: int = 10_000
    """Files that one clean-up removes, so that it does not hold up the exchange; the next one goes on."""

    # --- running attempts
    kill_grace_s: float = 5.0
    """From SIGTERM to SIGKILL when an attempt is stopped."""
    sample_s: float = 0.25
    """How often memory is looked at. Stretched by itself so that looking never takes more than 2 % of a core."""
    disk_sample_s: float = 1.0
    disk_entries_most: int = 50_000
    """Files counted in one look at a scratch folder; what is beyond is not seen."""
    memory_backstop_factor: float = 2.0
    memory_backstop_extra_mib: int = 256
    """RLIMIT_DATA = limit × factor + extra. Wide, since it counts reserved memory (thread stacks, arenas), not used memory."""
    pin_cpus: bool = True
    """Bind attempts to as many cores as they asked for, rounded up. Off saves about 0.1 ms per process."""
    cgroups: bool = True
    """Make a cgroup for each attempt where that is possible (see `cgroups`); off: limits hold by sampling and binding."""
    cgroup_folder: Path | None = None
    """A cgroup v2 folder to make them in, with cpu and memory in its subtree_control. None: one is looked for."""
    run_as: str = ""
    """USER or UID:GID that attempts run as, so that they cannot read what belongs to the agent's user. Only root can do this."""
    container_engine: str = ""
    """Address of the container engine; empty: CONTAINER_HOST, DOCKER_HOST, or a socket that is there."""
    container_mounts: tuple[str, ...] = ()
    """Folders of this machine that a job in a container may mount, with all below them. None, since a mount of / is the machine."""
    container_host_network: bool = False
    """Off, because what listens on loopback and the metadata address of a cloud trust whoever reaches them."""
    warm_python: bool = True
    """Keep interpreters whose forks run the Python jobs that ask for it."""
    warm_most: int = 8
    """Interpreters at a time, each of about 15 MiB and what it imports."""
    warm_idle_s: float = 300.0
    """One that was not used for so long ends; one that could not be started is tried again after it."""
    warm_wait_s: float = 30.0
    """Longest wait for a fork; then the attempt starts a Python of its own."""
    data_folders: tuple[str, ...] = ()
    """Folders of this machine whose files jobs may read and write with file:// URLs, with all below them; the agent's rights count."""
    data_hosts: tuple[str, ...] = ()
    """Hosts whose web addresses a job in a container may use as data; * is any. None, since the agent reaches what such a job may not:
    loopback, and the metadata address of a cloud. Other jobs reach them anyhow."""
    data_credentials: str = ""
    """worker: object stores are reached with the credentials of this machine. Empty: through URLs that the server signs."""
    data_cache_mib: int | None = None
    """What is kept of inputs that came over the network, for the next jobs of the same user. None: a tenth of the file system of the
    work folder. 0: nothing."""
    data_parallel: int = 4
    """Files copied at a time by all attempts."""
    data_tries: int = 8
    """In a row without a byte copied; with the pauses below an outage of half a minute is waited for."""
    data_retry_first_s: float = 0.5
    data_retry_most_s: float = 10.0

    log_every_s: float = 1.0
    log_most_bytes: int = 2**20
    """Output kept per attempt, head and tail together; the rest is counted and left out. The server's answer to activation says another."""
    result_most_bytes: int = 2**20

    @property
    def folder(self) -> Path:
        default = f"herder-{self.installation}-{self.worker}"
        return self.work_folder or Path(tempfile.gettempdir()) / default


def from_environment(environ: MutableMapping[str, str]) -> AgentSettings:
    """Raises SettingsError. Removes the activation token from `environ`."""
    joins = environ.pop(startup.JOIN_TOKEN, "").strip()
    token = environ.pop(startup.ACTIVATION_TOKEN, "") or joins or _token_from_file(environ)
    if not token:
        raise SettingsError(
            "There is no token. Run the command that `herder worker add POOL` prints "
            f"(drivers set {startup.ACTIVATION_TOKEN} or {startup.ACTIVATION_TOKEN_FILE})."
        )
    folder = environ.get(startup.WORK_FOLDER)
    return AgentSettings(
        server_url=_required(environ, startup.SERVER).rstrip("/"),
        worker="" if joins else _required(environ, startup.WORKER),
        joins=bool(joins),
        activation_token=token,
        one_job=environ.get(startup.ONE_JOB, "").lower() in ("1", "on", "yes", "true"),
        installation=environ.get(startup.INSTALLATION) or "default",
        work_folder=Path(folder).absolute() if folder else None,  # attempts run elsewhere and get paths in it
        self_delete_after_s=_seconds(environ, startup.SELF_DELETE_AFTER_S, 600.0),
        ca_file=environ.get(startup.CA_FILE) or None,
        run_as=environ.get(startup.RUN_AS, ""),
        log_format=_choice(environ, startup.LOG_FORMAT, LogFormat, LogFormat.TEXT),
        log_level=_choice(environ, startup.LOG_LEVEL, LogLevel, LogLevel.INFO),
        notice_file=_notice_file(environ),
        notice_url=_notice_url(environ),
        notice_s=_seconds(environ, startup.NOTICE_S, 30.0, NOTICE_MAX_S),
        cgroups=environ.get(startup.CGROUPS, "").lower() not in ("0", "off", "no", "false"),
        container_mounts=_folders(environ, startup.CONTAINER_MOUNTS),
        container_host_network=environ.get(startup.CONTAINER_HOST_NETWORK, "").lower()
        in ("1", "on", "yes", "true"),
        data_folders=_folders(environ, startup.DATA_FOLDERS),
        data_hosts=tuple(environ.get(startup.DATA_HOSTS, "").replace(",", " ").split()),
        data_credentials=_credentials(environ),
        data_cache_mib=_mebibytes(environ, startup.DATA_CACHE_MIB),
    )


def _credentials(environ: MutableMapping[str, str]) -> str:
    found = environ.get(startup.DATA_CREDENTIALS, "")
    if found not in ("", "server", "worker"):
        raise SettingsError(f"{startup.DATA_CREDENTIALS} is {found!r}. Write worker or server.")
    return found if found == "worker" else ""


def _choice(environ: MutableMapping[str, str], name: str, kind: type[_E], default: _E) -> _E:
    text = environ.get(name, "")
    try:
        return kind(text) if text else default
    except ValueError:
        raise SettingsError(f"{name} is {text!r}. Write {', '.join(kind)}.") from None


def _mebibytes(environ: MutableMapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) <= MEBIBYTES_DIGITS):
        raise SettingsError(
            f"{name} is {text!r}, which is not a number of MiB. Write for example 20480, or 0 for none."
        )
    return int(text) if text else None


def _folders(environ: MutableMapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(filter(None, environ.get(name, "").split(":")))
    for each in found:
        if not os.path.isabs(each):
            raise SettingsError(
                f"{name} contains {each!r}, which is not an absolute path. Separate folders by colons."
            )
    return tuple(map(os.path.realpath, found))


def _required(environ: MutableMapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set. The driver that created this worker must set it.")
    return value


def _notice_file(environ: MutableMapping[str, str]) -> Path | None:
    path = environ.get(startup.NOTICE_FILE, "")
    if path and not os.path.isabs(path):
        raise SettingsError(
            f"{startup.NOTICE_FILE} is {path!r}, which is not an absolute path. Write for example /run/herder/notice."
        )
    return Path(path) if path else None


def _notice_url(environ: MutableMapping[str, str]) -> str:
    url = environ.get(startup.NOTICE_URL, "")
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if url and not (usable and url.isascii() and url.isprintable() and " " not in url):
        raise SettingsError(
            f"{startup.NOTICE_URL} is {url!r}, which is not an http address. Write for example "
            "http://169.254.169.254/latest/meta-data/spot/instance-action."
        )
    return url


def _seconds(
    environ: MutableMapping[str, str], name: str, default: float, most: float = float("inf")
) -> float:
    text = environ.get(name, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        raise SettingsError(f"{name} is {text!r}, which is not a number of seconds.") from None
    if not 0 < seconds < float("inf"):
        raise SettingsError(f"{name} is {text!r}, but must be a number of seconds above 0.")
    if seconds > most:
        raise SettingsError(f"{name} is {text!r}, but must be at most {most:g} seconds.")
    return seconds


def _token_from_file(environ: MutableMapping[str, str]) -> str:
    path = environ.get(startup.ACTIVATION_TOKEN_FILE, "")
    if not path:
        return ""
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise SettingsError(f"{path} can be read by others (mode {mode:04o}). Run chmod 600 {path}.")
            return file.read(4096).strip()
    except OSError as error:
        raise SettingsError(f"Cannot read the activation token from {path}: {error.strerror}.") from None
