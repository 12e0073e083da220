"""What requests are charged adds up to what the process spent, with the real student."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.document import Document, Work
from gateway.home import Home
from gateway.inference.batching import Limits
from gateway.inference.local import LocalInference, model_loader
from gateway.inference.shares import Share

LINE = "KEDAI BUKU MELUR SDN BHD NO 17, JALAN CEMPAKA 3/2 TOTAL RM 42.30\n"


@pytest.fixture(scope="module")
def home(project_home: Home) -> Home:
    if not (project_home.models / "receipts" / "student" / "model.onnx").is_file():
        pytest.skip("needs the committed student of receipts")
    return project_home


@pytest.mark.parametrize("share", [Share(2, 1), Share(1, 2), Share(2, 2)])
def test_the_work_of_all_requests_is_the_process_s_own_cpu_time(home: Home, share: Share) -> None:
    if not Path("/proc/self/task").is_dir():
        pytest.skip("helper threads are told apart by Linux alone")
    parts = {"student": share, "large": Share()}
    load = model_loader(large="off", shares=parts)
    inference = LocalInference(home, tasks=["receipts"], load=load, limits=Limits(1000), shares=parts)
    texts = [LINE * lines for lines in (1, 1, 1, 1, 2, 2, 3, 5, 8, 13, 40)]

    async def ask() -> list[Work]:
        calls = [inference.propose("receipts", "student", [Document(text)], ["total", "company"]) for text in texts * 2]
        return [output.work for (output,) in await asyncio.gather(*calls)]

    async def main() -> None:
        await ask()
        shares = []
        # Threads that earlier tests left behind spend of the same process: in one of three times they do not.
        for _ in range(3):
            spent = time.process_time()
            work = await ask()
            spent = time.process_time() - spent
            assert max(one.batch_size for one in work) > 1
            shares.append(sum(one.cpu_seconds for one in work) / spent)
        assert max(shares) == pytest.approx(1, rel=0.05)
        await inference.close()

    asyncio.run(main())
