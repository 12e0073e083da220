"""An ONNX model in onnxruntime for several callers at a time, with the CPU seconds each call really took."""

from __future__ import annotations

import os
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ModelCorrupt
from gateway.tiers.clock import counting_threads, seconds_of

# onnxruntime reads this when it is imported: a gateway neither writes nor sends usage reports.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

_loading = threading.Lock()


@dataclass(frozen=True)
class _Session:
    session: onnxruntime.InferenceSession
    helpers: tuple[int, ...]


class OnnxTagger:
    """A :data:`gateway.tiers.model.Tagger` that several threads may call.

    With one thread a forward pass, the pass runs in its caller, one session serves all callers, and the caller's own
    CPU clock sees everything. With more, each session has a pool of helper threads; a session then serves one caller at
    a time, so that its helpers' seconds are that caller's, and there are ``copies`` of it.

    Args:
        model: the ONNX file, with inputs ``input_ids`` and ``attention_mask``.
        threads: CPU threads of one forward pass; 0: onnxruntime decides.
        copies: callers that can be served at a time where ``threads`` is not 1.

    Raises:
        ModelCorrupt: onnxruntime cannot load the file.
    """

    def __init__(self, model: Path, threads: int = 1, copies: int = 1) -> None:
        self._shared: onnxruntime.InferenceSession | None = None
        self._free: queue.SimpleQueue[_Session] = queue.SimpleQueue()
        self._helped = threading.local()
        with _loading:  # one at a time, so that each session's helpers are known
            if threads == 1:
                self._shared = _open(model, threads)
                return
            for _ in range(max(1, copies)):
                session, helpers = counting_threads(lambda: _open(model, threads))
                self._free.put(_Session(session, helpers))

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits; see :data:`gateway.tiers.model.Tagger`."""
        if self._shared is not None:
            return _logits(self._shared, ids, mask)
        free = self._free.get()
        try:
            before = seconds_of(free.helpers)
            logits = _logits(free.session, ids, mask)
            self._helped.seconds = self._helper_seconds() + seconds_of(free.helpers) - before
            return logits
        finally:
            self._free.put(free)

    def cpu_seconds(self) -> float:
        """CPU seconds of the calling thread so far, and of the helper threads of the passes it asked for."""
        return time.thread_time() + self._helper_seconds()

    def _helper_seconds(self) -> float:
        seconds: float = getattr(self._helped, "seconds", 0.0)
        return seconds


def _logits(
    session: onnxruntime.InferenceSession, ids: NDArray[np.int64], mask: NDArray[np.int64]
) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    return logits


def _open(model: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning threads burn CPU between requests, which a gateway that counts CPU seconds must not do.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        raise ModelCorrupt(f"{model}: onnxruntime cannot load it ({error})") from error
