"""Calls over real sockets: to the API server in a process, and over TLS with and without trust."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from herder.memberships.kubernetes import make_cluster
from herder.model.fleet.cluster import ClusterSettings as Settings
from herder.model.values.resources import PLAIN
from herder.ports.cluster import ClusterContext, ClusterError, ClusterForbidden, ClusterUnavailable
from herder.remote.kubernetes.calls import NODES, PODS, Call
from herder.remote.kubernetes.connection import Connection, Lines
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.errors import ApiBusy, ApiError, unreachable
from herder.testing.kubernetes.server import Serving, serving
from herder.testing.kubernetes.wall_clock import now_ms
from tests.memberships.kubernetes.objects_made import node_json, pod_json
from tests.remote.kubernetes.test_credentials import Clock
from tests.words.rules import faults


class WallClock:
    def now_ms(self) -> int:
        return now_ms()

    monotonic_ms = now_ms


def test_paths_and_rights_of_calls() -> None:
    call = Call(verb="create", resource=PODS, namespace="shop", name="a/../b", subresource="eviction")
    assert call.path == "/api/v1/namespaces/shop/pods/a%2F..%2Fb/eviction"
    assert call.method == "POST"
    assert call.right.rule == '{apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"]}'
    assert Call(verb="watch", resource=NODES).path == "/api/v1/nodes"


@pytest.fixture
def server() -> Iterator[Serving]:
    with serving() as running:
        yield running


async def test_a_cluster_is_followed_over_sockets(server: Serving, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(server.kubeconfig())
    nodes = [node_json(f"w{number}") for number in range(3)]
    pods = [pod_json(f"p{number}", node="w1") for number in range(5)]
    for each in pods:
        del each["metadata"]["resourceVersion"]
    server.call(lambda cluster, at_ms: cluster.load([*nodes, *pods], at_ms))
    context = ClusterContext(installation="here", resources=PLAIN, clock=WallClock(), chance=lambda: 0.5)
    cluster = make_cluster(Settings(name="prod", kubeconfig=str(path)), context)
    task = asyncio.create_task(cluster.follow())
    try:
        async with asyncio.timeout(20):
            while cluster.seen().as_of_ms is None:
                await asyncio.sleep(0.01)
            (w1,) = (node for node in cluster.seen().nodes if node.name == "w1")
            assert w1.workload_pods == 5
            await cluster.cordon(w1, True)
            while not cluster.seen().nodes[1].cordoned:
                await asyncio.sleep(0.01)
            server.restart()
            emptying = await cluster.empty(w1, grace_s=0.0, at_once=5, force=False)
            assert emptying.evicted == 5
            while cluster.seen().nodes[1].workload_pods:
                await asyncio.sleep(0.01)
        assert all(check.passed for check in await cluster.check())
    finally:
        task.cancel()
        await asyncio.wait([task])
        await cluster.close()


def connection(handler: httpx.AsyncBaseTransport, **more: float) -> Connection:
    return Connection("prod", Access(url="http://api", tokens=GivenToken()), transport=handler, **more)


async def to_the_end(lines: Lines) -> None:
    while await lines.some() is not None:
        pass


async def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 2**20

    api = connection(httpx.MockTransport(lambda request: httpx.Response(200, content=endless())))
    with pytest.raises(ClusterUnavailable, match="more than 1,000 bytes"):
        await api.call(Call(verb="list", resource=NODES), bytes_max=1000)
    async with api.watch(Call(verb="watch", resource=NODES), {}) as lines:
        with pytest.raises(ClusterUnavailable, match="a line of more than"):
            await to_the_end(lines)
    await api.close()


async def test_a_server_that_does_not_answer_is_left_after_the_deadline() -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    api = connection(httpx.MockTransport(never), deadline_s=0.05)
    call = Call(verb="list", resource=NODES)
    with pytest.raises(ClusterUnavailable, match=r"did not answer the call list nodes within 0\.05 s"):
        await api.call(call)
    with pytest.raises(ClusterUnavailable, match=r"within 0\.05 s"):
        async with api.watch(call, {}):
            raise AssertionError
    await api.close()


async def test_a_renewed_token_is_tried_once(tmp_path: Path) -> None:
    class Renewed(GivenToken):
        def refused(self) -> bool:
            self.value = "new"
            return True

    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200 if seen[-1] == "Bearer new" else 401, json={})

    access = Access(url="http://api", tokens=Renewed("old"))
    api = Connection("prod", access, transport=httpx.MockTransport(answer))
    await api.call(Call(verb="list", resource=NODES))
    assert seen == ["Bearer old", "Bearer new"]
    await api.close()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (httpx.Response(404, json={"code": 404, "message": 'nodes "w1" not found'}), ApiError,
         'Cluster prod refuses the call get nodes w1 (HTTP status 404). Nodes "w1" not found.'),
        (httpx.Response(404, text="<html>nothing here</html>"), ApiError,
         "Cluster prod refuses the call get nodes w1 (HTTP status 404). <html>nothing here</html>."),
        (httpx.Response(503, headers={"Retry-After": "12"}), ApiBusy,
         "Cluster prod cannot serve the call get nodes w1 now (HTTP status 503)."),
    ],
)  # fmt: skip
async def test_what_is_refused_is_passed_on(
    answer: httpx.Response, kind: type[ClusterError], text: str
) -> None:
    api = connection(httpx.MockTransport(lambda request: answer))
    with pytest.raises(kind) as caught:
        await api.call(Call(verb="get", resource=NODES, name="w1"))
    assert str(caught.value) == text
    if isinstance(caught.value, ApiBusy):
        assert caught.value.retry_after_s == 12.0
        assert faults(text) == []
    await api.close()


async def test_an_address_of_something_else_is_said() -> None:
    api = connection(httpx.MockTransport(lambda request: httpx.Response(200, text="hello")))
    with pytest.raises(
        ClusterError, match=r"is not the address of a Kubernetes API\. Correct the address of cluster prod"
    ):
        await api.version()
    await api.close()


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its own authority, for 127.0.0.1; the key beside it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=api",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@asynccontextmanager
async def tls_server(certificate: Path, *, asks: bool = False) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate / "cert.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"gitVersion": "v1.36.2"}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def tls_config(tmp_path: Path, url: str, certificate: Path, *, trusts: bool, shows: bool) -> Path:
    ca = {"certificate-authority": str(certificate / "cert.pem")} if trusts else {}
    files = {"client-certificate": "cert.pem", "client-key": "key.pem"}
    user = {key: str(certificate / name) for key, name in files.items()} if shows else {}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url, **ca}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("asks", "trusts", "shows", "works"),
    [
        (False, True, False, True),
        (False, False, False, False),
        (True, True, True, True),
        (True, True, False, False),
    ],
)
async def test_trust_and_client_certificates(
    certificate: Path, tmp_path: Path, asks: bool, trusts: bool, shows: bool, works: bool
) -> None:
    from herder.remote.kubernetes.kubeconfig import from_kubeconfig

    async with tls_server(certificate, asks=asks) as url:
        path = tls_config(tmp_path, url, certificate, trusts=trusts, shows=shows)
        api = Connection("prod", from_kubeconfig(path, Clock()))
        try:
            if works:
                assert await api.version() == "v1.36.2"
                return
            with pytest.raises(ClusterError) as caught:
                await api.version()
            if not trusts:
                assert isinstance(caught.value, ClusterForbidden)
                assert "is not trusted: self-signed certificate. Correct the certificate authority" in str(
                    caught.value
                )
        finally:
            await api.close()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its host name is not known. Correct the address"),
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused. Check that its API server"),
        (ssl.SSLEOFError(8, "EOF occurred"), "no TLS connection was made. Check that the address"),
        (OSError("No route to host"), "No route to host."),
    ],
)
def test_why_no_connection_is_made_is_named_with_a_remedy(cause: Exception, words: str) -> None:
    error = httpx.ConnectError(str(cause))
    error.__cause__ = cause
    text = str(unreachable("prod", "https://api:6443", error))
    assert text.startswith(f"Cluster prod at https://api:6443 does not answer: {words}")
    assert text.endswith(".")
