from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from gateway.shared.occupancy import Occupancy


def test_each_sees_what_all_answer(tmp_path: Path) -> None:
    one, two = Occupancy(tmp_path / "occupancy"), Occupancy(tmp_path / "occupancy")
    one.change(+1)
    two.change(+1)
    two.change(+1)
    assert (one.own, two.own) == (1, 2)
    assert one.total() == two.total() == 3
    two.close()
    assert one.total() == 1
    three = Occupancy(tmp_path / "occupancy")  # in the place that was given back
    three.change(+1)
    assert one.total() == 2


def occupy(path: Path, ready: Connection) -> None:
    occupancy = Occupancy(path)
    for _ in range(5):
        occupancy.change(+1)
    ready.send(True)
    signal.pause()


def test_what_a_killed_process_counted_is_forgotten(tmp_path: Path) -> None:
    own = Occupancy(tmp_path / "occupancy")
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=occupy, args=(tmp_path / "occupancy", there))
    process.start()
    assert here.poll(60)
    own.change(+1)
    own.sweep()
    assert own.total() == 6
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    own._swept = 0.0
    own.sweep()
    assert own.total() == 1
