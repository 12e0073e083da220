"""The model hub as a source, played by a real HTTP server on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.bases import fetch, verify
from gateway.bases.hub import Hub
from gateway.errors import FetchFailed, ModelCorrupt
from tests.gateway.bases.tiny import CONTENT, fetched, leftovers, make_base


class HubServer:
    """A hub on the loopback: serves CONTENT, with byte ranges unless told not to, and can break off once."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.content = dict(CONTENT)
        self.ranges = True
        self.break_after: int | None = None

    @contextmanager
    def running(self) -> Iterator[str]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.requests.append((self.path, self.headers["range"]))
                data = hub.content.get(self.path.rpartition("/")[2])
                if data is None:
                    self.send_error(404)
                    return
                start = 0
                if self.headers["range"] and hub.ranges:
                    start = int(self.headers["range"].removeprefix("bytes=").removesuffix("-"))
                    self.send_response(206)
                    self.send_header("content-range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                else:
                    self.send_response(200)
                self.send_header("content-length", str(len(data) - start))
                self.end_headers()
                sent = data[start:]
                if hub.break_after is not None and len(sent) > hub.break_after:
                    sent, hub.break_after = sent[: hub.break_after], None
                self.wfile.write(sent)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_address[1]}"
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    with server.running() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield server


ON_HUB = {"hub": {"id": "someone/tiny-base"}}


def test_files_come_from_the_hub_by_id_and_revision(cache: Path, hub: HubServer) -> None:
    base = make_base(**ON_HUB)
    fetch(base, cache, progress=False, sources=[Hub()])
    verify(base, cache)
    assert hub.requests == [(f"/someone/tiny-base/resolve/main/{name}", None) for name in CONTENT]
    assert fetched(cache)


def test_a_broken_connection_is_taken_up_where_it_broke(cache: Path, hub: HubServer) -> None:
    hub.break_after = 3_000_000
    base = make_base(**ON_HUB)
    fetch(base, cache, progress=False, sources=[Hub()])
    verify(base, cache)
    assert hub.requests[-1][1] == "bytes=3000000-"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_file_of_an_earlier_fetch_is_continued(ranges: bool, cache: Path, hub: HubServer) -> None:
    hub.ranges = ranges  # a server that ignores ranges sends the whole file again
    part = cache / "downloads" / "tiny-base" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT["model.safetensors"][:1000])
    base = make_base(**ON_HUB)
    fetch(base, cache, progress=False, sources=[Hub()])
    verify(base, cache)
    assert hub.requests[-1][1] == "bytes=1000-"


def test_a_part_file_with_wrong_bytes_is_not_kept(cache: Path, hub: HubServer) -> None:
    part = cache / "downloads" / "tiny-base" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"X" * 1000)
    base = make_base(**ON_HUB)
    with pytest.raises(ModelCorrupt):
        fetch(base, cache, progress=False, sources=[Hub()])
    assert leftovers(cache) == []
    fetch(base, cache, progress=False, sources=[Hub()])
    verify(base, cache)


@pytest.mark.parametrize("data", [b"<html>", b"<html>" * 1000])
def test_another_page_in_the_files_place_is_refused(data: bytes, cache: Path, hub: HubServer) -> None:
    hub.content["config.json"] = data
    with pytest.raises((FetchFailed, ModelCorrupt), match=r"config\.json"):
        fetch(make_base(**ON_HUB), cache, progress=False, sources=[Hub()])
    assert not (cache / "bases" / "tiny-base" / "config.json").exists()


def test_a_file_the_hub_does_not_have(cache: Path, hub: HubServer) -> None:
    del hub.content["config.json"]
    with pytest.raises(FetchFailed, match="HTTP 404"):
        fetch(make_base(**ON_HUB), cache, progress=False, sources=[Hub()])


def test_a_hub_that_does_not_answer(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(FetchFailed, match="refused"):
        fetch(make_base(**ON_HUB), cache, progress=False, sources=[Hub()])


def test_the_hub_is_left_alone_when_offline(cache: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchFailed, match="HF_HUB_OFFLINE"):
        fetch(make_base(**ON_HUB), cache, progress=False, sources=[Hub()])
    assert hub.requests == []
