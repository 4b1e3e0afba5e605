"""What the Kubernetes API refuses, as `ClusterError`s with sentences. Called by `connection` and `informer`.

A missing right is named with the line of the role that allows it. Whether to try again is in the class, never in the text.
"""

import socket
import ssl

import httpx

from herder.model.values.phrases import clause, sentence, sentences
from herder.ports.cluster import ClusterError, ClusterForbidden, ClusterUnavailable
from herder.remote.kubernetes.calls import Call
from herder.remote.kubernetes.objects import RETRY_AFTER_MAX_S, Status


class ApiError(ClusterError):
    """The API refuses a call for a reason of its own: `status` has it."""

    def __init__(self, text: str, status: Status) -> None:
        super().__init__(text)
        self.status = status

    @property
    def absent(self) -> bool:
        return self.status.code == 404

    @property
    def conflict(self) -> bool:
        """Another object of that name, or another version."""
        return self.status.code == 409

    @property
    def expired(self) -> bool:
        """A version or a page token that the server no longer has: list again."""
        return self.status.code == 410


class ApiBusy(ClusterUnavailable):
    """The API asks to wait, or cannot serve the call now."""

    def __init__(self, text: str, status: Status, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = min(max(retry_after_s, status.retry_after_s), RETRY_AFTER_MAX_S)

    @property
    def too_new(self) -> bool:
        """It does not know the version yet: it lags behind another server, or was set back."""
        return any(cause.reason == "ResourceVersionTooLarge" for cause in self.status.causes)


class CredentialsRefused(ClusterForbidden):
    """The API does not know who calls, or cannot be identified itself."""


class RightMissing(ClusterForbidden):
    """A role lacks a rule."""

    def __init__(self, cluster: str, call: Call, status: Status) -> None:
        super().__init__(self._text(cluster, call, "its ClusterRole: herder cluster manifests"))
        self.status = status
        self._cluster, self._call = cluster, call

    def of_namespace(self) -> str:
        """The sentences for a caller whose rights are those of a Role in the namespace of its calls."""
        namespace = self._call.namespace
        if not namespace:
            return str(self)
        role = f"the Role of Herder in namespace {namespace}: herder cluster manifests --jobs {namespace}"
        return self._text(self._cluster, self._call, role)

    @staticmethod
    def _text(cluster: str, call: Call, role: str) -> str:
        return f"Cluster {cluster} does not allow Herder to {call.right}. Add the rule {call.right.rule} to {role}."


def refused(cluster: str, call: Call, status: Status, retry_after_s: float = 0.0) -> ClusterError:
    """The error of an answer that is not 2xx."""
    code, words = status.code, sentence(clause(status.message)[:500])
    if code == 401:
        return CredentialsRefused(
            f"Cluster {cluster} refuses the credentials (HTTP status 401). Renew the token or the client certificate of its kubeconfig."
        )
    if code == 403 and "is forbidden: User" in status.message:
        return RightMissing(cluster, call, status)
    if code in (408, 429) or code >= 500:
        text = sentences(f"Cluster {cluster} cannot serve the call {call} now (HTTP status {code})", words)
        return ApiBusy(text, status, retry_after_s)
    if 300 <= code < 400:
        return ApiError(
            f"Cluster {cluster} answers with a redirect, which Herder does not follow. Correct the address of its API.",
            status,
        )
    return ApiError(
        sentences(f"Cluster {cluster} refuses the call {call} (HTTP status {code})", words), status
    )


def unreachable(cluster: str, url: str, error: Exception) -> ClusterError:
    """The error of a connection that failed."""
    words = clause(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CredentialsRefused(
                f"The certificate of cluster {cluster} at {url} is not trusted: {clause(cause.verify_message)}. "
                "Correct the certificate authority: ca_file, or that of its kubeconfig."
            )
        words = _words(cause) or words
        cause = cause.__cause__ or cause.__context__
    return ClusterUnavailable(f"Cluster {cluster} at {url} does not answer: {words}.")


def _words(cause: BaseException) -> str:
    """What the operating system and TLS name by numbers, and the remedy; empty: it is not known."""
    if isinstance(cause, socket.gaierror):
        return "its host name is not known. Correct the address of its API, or the DNS of this machine"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused. Check that its API server runs, and the address and port"
    if isinstance(cause, ssl.SSLEOFError) or getattr(cause, "reason", "") == "WRONG_VERSION_NUMBER":
        return "no TLS connection was made. Check that the address is that of an API server with https"
    return ""


def too_slow(cluster: str, call: Call, deadline_s: float) -> ClusterError:
    return ClusterUnavailable(f"Cluster {cluster} did not answer the call {call} within {deadline_s:g} s.")


def unreadable(cluster: str, call: Call, words: str) -> ClusterError:
    return ClusterUnavailable(
        f"Cluster {cluster} answers the call {call} with something that is not Kubernetes: {clause(words)}."
    )


#: What a connection may raise on its way.
BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
