"""The scan hook against a daemon that speaks clamd's protocol."""

from __future__ import annotations

import io
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import LazySettings

from core import scanning


class _Daemon(socketserver.BaseRequestHandler):
    """Reads one INSTREAM and finds what contains the word virus."""

    def handle(self) -> None:
        file = self.request.makefile("rb")
        assert file.read(10) == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!I", file.read(4))[0]:
            content += file.read(size)
        answer = b"stream: Eicar-Signature FOUND" if b"virus" in content else b"stream: OK"
        if b"too large" in content:
            answer = b"INSTREAM size limit exceeded. ERROR"
        self.request.sendall(answer + b"\0")


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["tcp", "unix"])
def _daemon(request: pytest.FixtureRequest, settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    server: socketserver.BaseServer
    if request.param == "tcp":
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Daemon)
        settings.CLAMD_URL = f"tcp://127.0.0.1:{server.server_address[1]}"
    else:
        server = socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), _Daemon)
        settings.CLAMD_URL = f"unix://{tmp_path}/s"
    settings.UPLOAD_SCANNER = "core.scanning.ask_clamd"
    with _running(server):
        yield


@pytest.mark.usefixtures("_daemon")
def test_clamd_is_asked_in_chunks() -> None:
    assert scanning.scan(io.BytesIO(b"harmless" * 100_000)) == ""
    assert scanning.scan(io.BytesIO(b"x" * 200_000 + b"virus")) == "Eicar-Signature"
    with pytest.raises(scanning.ScannerUnavailable, match="size limit"):
        scanning.scan(io.BytesIO(b"too large"))


def test_a_daemon_that_is_down_gives_no_verdict(settings: LazySettings) -> None:
    settings.UPLOAD_SCANNER = "core.scanning.ask_clamd"
    settings.CLAMD_URL = "tcp://127.0.0.1:1"
    with pytest.raises(scanning.ScannerUnavailable):
        scanning.scan(io.BytesIO(b"anything"))
