"""CPU seconds of forward passes: the caller's and its helpers', and nobody else's."""

import threading
import time

import numpy as np
import pytest

from gateway.tiers.clock import counting_threads, seconds_of
from gateway.tiers.sessions import OnnxTagger
from tests.gateway.tiers.tiny import write_foretold


def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_a_thread_s_seconds_are_read_by_its_id():
    done, read = threading.Event(), threading.Event()

    def work():
        burn(0.05)
        done.set()
        read.wait(30)

    thread = threading.Thread(target=work)
    thread.start()
    assert done.wait(30)
    assert seconds_of([thread.native_id]) == pytest.approx(0.05, abs=0.04)
    read.set()
    thread.join()
    assert seconds_of([2**22 + 1]) == 0.0


def test_python_s_own_threads_are_not_a_runtime_s_helpers():
    threads = []

    def make():
        threads.append(threading.Thread(target=time.sleep, args=(0.2,)))
        threads[0].start()
        return "made"

    assert counting_threads(make) == ("made", ())
    threads[0].join()


@pytest.mark.parametrize(("threads", "copies"), [(1, 1), (2, 1), (2, 2)])
def test_several_callers_get_their_own_answers(tmp_path, threads, copies):
    pytest.importorskip("onnx", reason="needs the extra `large` to write a model")
    tagger = OnnxTagger(write_foretold(tmp_path / "model.onnx"), threads, copies)
    wrong, before = [], tagger.cpu_seconds()

    def ask(token):
        ids = np.full((1, 5), token, dtype=np.int64)
        expected = tagger(ids, np.ones_like(ids))
        for _ in range(50):
            if not np.array_equal(tagger(ids, np.ones_like(ids)), expected):
                wrong.append(token)

    callers = [threading.Thread(target=ask, args=(token,)) for token in range(4)]
    for caller in callers:
        caller.start()
    burn(0.02)
    for caller in callers:
        caller.join()
    assert not wrong
    assert 0.01 < tagger.cpu_seconds() - before < 0.2, "another thread's passes were charged to this one"
