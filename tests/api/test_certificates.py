"""A certificate that is renewed: new connections get it without a restart, and a pair that does not fit changes nothing."""

import asyncio
import logging
import shutil
import ssl
from pathlib import Path

import pytest

from herder.server.http.certificate import Certificate
from tests.support.certificates import certificate


async def shown(port: int) -> bytes:
    """The certificate of a new connection."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return bytes(found)


def other(folder: Path) -> Path:
    made = folder / "renewed"
    made.mkdir()
    return certificate(made, "127.0.0.1")


async def test_new_connections_get_what_was_renewed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = certificate(tmp_path, "127.0.0.1")
    found = Certificate(file, file)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=found.context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        first = await shown(port)
        found.look()
        assert await shown(port) == first
        renewed = other(tmp_path)
        whole = renewed.read_bytes()
        renewed.write_bytes(whole[: len(whole) // 2])
        shutil.copyfile(renewed, file)
        with caplog.at_level(logging.WARNING):
            found.look()
        assert "The certificate stays as it was. Cannot use the certificate" in caplog.text
        assert await shown(port) == first
        file.unlink()
        found.look()
        assert await shown(port) == first
        file.write_bytes(whole)
        found.look()
        second = await shown(port)
        assert second != first
        found.look()
        assert await shown(port) == second
