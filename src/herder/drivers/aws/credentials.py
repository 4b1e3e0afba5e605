"""Who the driver is to AWS, found where AWS's own tools look: the environment, a profile of the shared files, or the role of the machine (IMDSv2)."""

import configparser
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

import httpx
import msgspec

from herder.drivers.aws.signing import Keys, sign
from herder.model.fleet.driver import DriverClock, DriverError, Unauthorised, Unavailable
from herder.remote.clouds.errors import short

METADATA_URL = "http://169.254.169.254"
TIMEOUT_S = 4.0
#: Temporary keys are renewed so long before their end.
EARLY_MS = 5 * 60_000
_ROLE = "/latest/meta-data/iam/security-credentials/"
_OTHER_WAYS = ("role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file")


class _OfRole(msgspec.Struct, frozen=True):
    AccessKeyId: str
    SecretAccessKey: str
    Token: str
    Expiration: str


class KeySource(Protocol):
    """May be used by several threads at once."""

    def keys(self) -> Keys:
        """May call the provider for them; raises DriverErrors."""

    def refused(self) -> bool:
        """The provider did not accept them. Whether another try may have others."""


class ForService:
    """Signs requests to one service in one region."""

    def __init__(self, source: KeySource, region: str, service: str, clock: DriverClock) -> None:
        self._source, self._region, self._service, self._clock = source, region, service, clock

    def sign(self, request: httpx.Request) -> None:
        sign(request, self._source.keys(), self._region, self._service, self._clock.now_ms())

    def refused(self) -> bool:
        return self._source.refused()


class AwsCredentials:
    """`transport`: for tests; None: the network."""

    def __init__(
        self,
        profile: str,
        environ: Mapping[str, str],
        clock: DriverClock,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._profile, self._environ, self._clock = profile, environ, clock
        # Reached by no proxy, which would see the keys, or give those of its own machine.
        self._http = httpx.Client(
            base_url=METADATA_URL, transport=transport, timeout=TIMEOUT_S, trust_env=False
        )
        self._lock = threading.Lock()
        self._known: Keys | None = None
        self._of_role_once = False
        """Whether keys came from the machine: then a service that is away comes back, and nobody has refused anything."""

    def refused(self) -> bool:
        """They are looked for again: a key may have been replaced."""
        with self._lock:
            self._known = None
        return True

    def keys(self) -> Keys:
        with self._lock:
            known, now_ms = self._known, self._clock.now_ms()
            if known is None:
                known = self._known = self._found()
            elif (ends_ms := known.until_ms) is not None and ends_ms - EARLY_MS <= now_ms:
                try:
                    known = self._known = self._found()
                except DriverError:
                    if ends_ms <= now_ms:
                        raise
            return known

    def close(self) -> None:
        self._http.close()

    def _found(self) -> Keys:
        if not self._profile and (access := self._environ.get("AWS_ACCESS_KEY_ID")):
            secret = self._environ.get("AWS_SECRET_ACCESS_KEY", "")
            if not secret:
                raise Unauthorised("AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not. Set both.")
            return Keys(access_key=access, secret=secret, token=self._environ.get("AWS_SESSION_TOKEN", ""))
        return self._of_profile() or self._of_role()

    def _of_profile(self) -> Keys | None:
        asked = self._profile or self._environ.get("AWS_PROFILE", "")
        name, sections = asked or "default", list[dict[str, str]]()
        folder = Path(self._environ.get("HOME", "")) / ".aws"
        for variable, usual, section in (
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
            ("AWS_CONFIG_FILE", "config", name if name == "default" else f"profile {name}"),
        ):
            found = _section(Path(self._environ.get(variable) or folder / usual), section)
            if "aws_access_key_id" in found and "aws_secret_access_key" in found:
                # All from one file: a token belongs to its key.
                token = found.get("aws_session_token", "")
                return Keys(
                    access_key=found["aws_access_key_id"], secret=found["aws_secret_access_key"], token=token
                )
            sections.append(found)
        for way in _OTHER_WAYS:
            if any(way in each for each in sections):
                raise Unauthorised(
                    f"Profile {name} of AWS uses {way}, which Herder does not support. Put its keys in the environment, or use the role of the machine."
                )
        if asked:
            raise Unauthorised(
                f"Profile {name} of AWS has no keys. Write it with `aws configure --profile {name}`."
            )
        return None

    def _of_role(self) -> Keys:
        if self._environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise Unauthorised(_NOWHERE)
        try:
            asked = self._http.put(
                "/latest/api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            )
            asked.raise_for_status()
            headers = {"X-aws-ec2-metadata-token": asked.text}
            role = self._http.get(_ROLE, headers=headers)
            if role.status_code == 404:
                raise Unauthorised("This machine has no role of AWS. Attach an instance profile to it.")
            answer = self._http.get(_ROLE + role.raise_for_status().text.split("\n")[0], headers=headers)
            keys = msgspec.json.decode(answer.raise_for_status().content, type=_OfRole)
            until_ms = round(datetime.fromisoformat(keys.Expiration).timestamp() * 1000)
        except httpx.ConnectError as error:
            if self._of_role_once:
                raise Unavailable(f"The metadata service of AWS is away: {short(error)}.") from None
            raise Unauthorised(_NOWHERE) from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise Unavailable(
                f"The metadata service of AWS gives no credentials: it answers with status {status}. Allow this machine to use it, or set keys."
            ) from None
        except (httpx.HTTPError, msgspec.MsgspecError, ValueError) as error:
            raise Unavailable(f"The metadata service of AWS gives no credentials: {short(error)}.") from None
        self._of_role_once = True
        return Keys(
            access_key=keys.AccessKeyId, secret=keys.SecretAccessKey, token=keys.Token, until_ms=until_ms
        )


_NOWHERE = "There are no credentials of AWS. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write ~/.aws/credentials, or give this machine a role."


def _section(file: Path, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Unauthorised(f"{file} cannot be read: {short(error)}.") from None
    except configparser.Error:
        raise Unauthorised(f"{file} is not a file of AWS's tools. Write it with `aws configure`.") from None
    return dict(parser[name]) if parser.has_section(name) else {}
