"""Loading the local large tier in one of its numeric modes.

* ``int8``: merged, exported to ONNX and dynamically quantised once, kept in the cache; the fastest on a CPU, and
  after that first time torch is no longer needed;
* ``bf16``, ``fp32``: run by torch.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gateway.bases import Base, base_directory, verify
from gateway.errors import CascadeError, ModelCorrupt, ModelMissing
from gateway.evaluation.dataset import file_digest
from gateway.files import write_text
from gateway.task import TaskSpec
from gateway.tiers.clock import counting_threads, seconds_of
from gateway.tiers.forms import Forms
from gateway.tiers.model import BATCH_TOKENS, ModelTier
from gateway.tiers.student import TaggerConfig, digests_of, onnx_tier, version_of
from gateway.tiers.windows import WindowChooser

LargeMode = Literal["int8", "bf16", "fp32"]
LARGE_MODES: tuple[LargeMode, ...] = get_args(LargeMode)
ADAPTER_FILE = "adapter.safetensors"

log = logging.getLogger(__name__)


def _require_torch() -> None:
    missing = [name for name in ("torch", "transformers", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelMissing(f"{', '.join(missing)} not installed: pip install 'cascade-gateway[large]'")


def built_path(directory: Path, cache: Path, base: Base) -> Path:
    """Where the int8 model built from this adapter and base is kept."""
    config = TaggerConfig.load(directory)
    base_digest = base.files["model.safetensors"].sha256
    key = version_of(config.digests[ADAPTER_FILE], base_digest).removeprefix("sha256:")[:24]
    return cache / "built" / key / "model.int8.onnx"


def build_int8(directory: Path, cache: Path, base: Base) -> Path:
    """Merge, export and quantise the large tier unless the cache has it; about a minute and 2 GiB of memory.

    Raises:
        ModelMissing: torch or the base is missing. ModelCorrupt: a file has another digest.
    """
    path = built_path(directory, cache, base)
    mark = path.with_suffix(".sha256")
    if path.is_file() and mark.is_file():
        if mark.read_text().strip() == file_digest(path):
            return path
        log.warning("the built large model in the cache is damaged; building it again")
    _require_torch()
    verify(base, cache)
    from gateway.tiers.large.adapter import load_merged
    from gateway.tiers.large.export import export_float, quantise

    log.info("building the int8 large model once (about a minute)")
    full = path.with_suffix(".float.onnx")
    network = load_merged(directory, base_directory(cache, base))
    try:
        export_float(network, full)
        quantise(full, path)
    finally:
        full.unlink(missing_ok=True)
    write_text(mark, file_digest(path) + "\n")
    return path


class TorchTagger:
    """A network run by torch, whose OpenMP starts helper threads for each thread that calls it.

    Args:
        network: the tagger.
        bfloat16: compute in bfloat16 where torch thinks it safe.
        threads: CPU threads of one forward pass; 0: torch decides.
    """

    def __init__(self, network: Any, *, bfloat16: bool, threads: int) -> None:
        self._network = network
        self._bfloat16 = bfloat16
        self._threads = threads
        self._caller = threading.local()
        self._first = threading.Lock()

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits; see :data:`gateway.tiers.model.Tagger`."""
        import torch

        known: tuple[int, ...] | None = getattr(self._caller, "helpers", None)
        if known is None:
            with self._first:  # one at a time, so that each caller's helpers are known
                if self._threads:
                    torch.set_num_threads(self._threads)
                logits, self._caller.helpers = counting_threads(lambda: self._forward(ids, mask))
            return logits
        return self._forward(ids, mask)

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits = self._network(torch.from_numpy(ids), torch.from_numpy(mask))
        values: NDArray[np.float32] = logits.float().numpy()
        return values

    def cpu_seconds(self) -> float:
        """CPU seconds of the calling thread and its helpers so far."""
        return time.thread_time() + seconds_of(getattr(self._caller, "helpers", ()))


def _torch_tagger(directory: Path, base: Path, mode: LargeMode, threads: int) -> TorchTagger:
    from gateway.tiers.large.adapter import load_merged

    return TorchTagger(load_merged(directory, base), bfloat16=mode == "bf16", threads=threads)


def load_large(
    directory: Path,
    task: TaskSpec,
    forms: Forms,
    base: Base,
    cache: Path,
    *,
    mode: LargeMode = "int8",
    threads: int = 1,
    lanes: int = 1,
    batch_tokens: int = BATCH_TOKENS,
    chooser: WindowChooser | None = None,
) -> ModelTier:
    """The large tier of a task from ``models/<task>/large`` and its fetched base.

    Args:
        threads: CPU threads of one forward pass; 0: the runtime decides.
        lanes: forward passes at a time.
        batch_tokens: most padded tokens of one forward pass.

    Raises:
        ModelMissing: adapter, base or torch is missing. ModelCorrupt: a file has another digest.
    """
    config = TaggerConfig.load(directory)
    if ADAPTER_FILE not in config.digests:
        raise ModelCorrupt(f"{directory}: config.json has no digest of {ADAPTER_FILE}")
    config.verify(directory)
    base_digest = base.files["model.safetensors"].sha256
    if config.raw.get("base") != base.name or config.raw.get("base_sha256") != base_digest:
        raise ModelCorrupt(f"{directory}: the adapter was made for another base than {base.name}")
    version = version_of(config.digests[ADAPTER_FILE], base_digest, mode, forms.digest, *digests_of(chooser))
    try:
        if mode == "int8":
            model = build_int8(directory, cache, base)
            return onnx_tier(
                "large",
                directory,
                model,
                task,
                forms,
                version,
                threads=threads,
                mode=mode,
                lanes=lanes,
                batch_tokens=batch_tokens,
                chooser=chooser,
            )
        _require_torch()
        verify(base, cache)
        tagger = _torch_tagger(directory, base_directory(cache, base), mode, threads)
    except CascadeError:
        raise
    except Exception as error:  # torch and transformers raise many kinds; a broken large tier must not stop the others
        raise ModelCorrupt(f"the large tier cannot be loaded: {error}") from error
    config.check_fields(task, directory)
    return ModelTier(
        "large",
        version,
        task,
        config.fields,
        config.encoder(directory),
        tagger,
        forms,
        config.pad_id,
        mode,
        cpu_clock=tagger.cpu_seconds,
        batch_tokens=batch_tokens,
        chooser=chooser,
    )
