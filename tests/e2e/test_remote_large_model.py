"""A real language model behind a real OpenAI-compatible server as the remote large tier.

Runs where ``CASCADE_TEST_LLAMA_PYTHON`` names a Python with ``llama-cpp-python[server]`` and ``CASCADE_TEST_GGUF`` a
GGUF file, such as SmolLM2-135M-Instruct. ``benchmarks/remote_large.py`` does the same for longer, with more faults.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.home import Home

if TYPE_CHECKING:
    from benchmarks.remote_large import ModelServer

VARIABLES = ("CASCADE_TEST_LLAMA_PYTHON", "CASCADE_TEST_GGUF")
TEXT = "KEDAI BUKU MELUR SDN BHD\nNO 17, JALAN CEMPAKA 3/2\nDATE : 14/03/2018\nTOTAL RM 42.30\nCASH 50.00\nCHANGE 7.70"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ModelServer]:
    missing = [name for name in VARIABLES if not Path(os.environ.get(name, "")).is_file()]
    if missing:
        pytest.skip(f"needs a real model and its server: {' and '.join(missing)} must name a file")
    from benchmarks.remote_large import ModelServer

    running = ModelServer(*(Path(os.environ[name]) for name in VARIABLES), tmp_path / "server.log")
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_it_reads_a_shop_s_name_and_is_missed_while_it_is_gone(
    server: ModelServer, start: Callable[..., object], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    from benchmarks.remote_large import write_home

    service = start(Home(write_home(tmp_path / "home", server.url, patient=True)), "--workers", "1")

    def ask() -> dict[str, object]:
        body = {"task": "receipts", "text": TEXT, "fields": ["company"], "explain": True}
        response = httpx.post(f"{service.address}/v1/extract", json=body, timeout=300)
        assert response.status_code == 200, response.text
        return response.json()

    answer = ask()
    assert answer["tiers"] == ["rules", "large"]
    [candidate] = answer["explanation"]["company"]["proposals"]["large"]
    assert (candidate["text"], candidate["spans"]) == ("KEDAI BUKU MELUR SDN BHD", [[0, 24]])
    assert candidate["source"] == "large/exact"
    assert answer["cost"]["by_tier"]["large"] > 0
    server.stop()
    assert ask()["status"] == "degraded"
    server.start()
    eventually(lambda: "large" in ask()["tiers"], 60.0)
