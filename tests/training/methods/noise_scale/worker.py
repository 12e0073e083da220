"""One of two data-parallel workers: trains on its half of the micro-batches and writes what it measured.

Arguments: rank, file through which the workers meet, file for the result.
"""

import json
import sys
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.methods.batch_ramp.plan import BatchPlan
from training.methods.hooks import Progress
from training.methods.noise_scale.hook import NoiseScaleHook

BATCHES, ROWS, WIDTH, WORKERS = 24, 6, 5, 2


def problem():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(BATCHES, ROWS, WIDTH, generator=generator)
    torch.manual_seed(1)
    return (
        inputs,
        inputs.sum(-1, keepdim=True) + torch.randn(BATCHES, ROWS, 1, generator=generator),
        nn.Linear(WIDTH, 1),
    )


def size(share):
    return 2 if share < 0.5 else 4


def run(rank, workers, model, inner):
    """Ramp over the micro-batches; worker r takes every ``workers``-th of an update's."""
    inputs, targets, _ = problem()
    hook = NoiseScaleHook(decay=1.0)
    optimizer = torch.optim.SGD(inner.parameters(), 0.05)
    hook.start(inner, optimizer)
    plan = BatchPlan((BATCHES,), size, workers)
    start = 0
    for update, batches in enumerate(plan):
        mine = range(start + rank, start + batches, workers)
        progress = Progress(start, BATCHES, update, 1)
        hook.batches(progress, len(mine))
        for place, index in enumerate(mine):
            last = place == len(mine) - 1
            with model.no_sync() if workers > 1 and not last else torch.enable_grad():
                loss = (model(inputs[index]) - targets[index]).square().mean()
                (loss / len(mine)).backward()
            hook.after_backward(progress, ROWS)
        hook.before_step(progress)
        optimizer.step()
        optimizer.zero_grad()
        start += batches
    found = hook.noise.averages
    return {
        "weights": [value for parameter in inner.parameters() for value in parameter.detach().flatten().tolist()],
        "trace": found.trace,
        "gradient_squared": found.gradient_squared,
        "updates": plan.updates,
    }


def main():
    rank, meeting, result = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORKERS)
    _, _, inner = problem()
    result.write_text(json.dumps(run(rank, WORKERS, DistributedDataParallel(inner), inner)), "utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
