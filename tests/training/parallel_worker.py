"""One process of a data-parallel training of a tiny tagger, as torchrun starts it: trains, and writes its parameters.

Arguments: folder for the results, accumulation, lines of methods.
"""

import sys
from pathlib import Path

import torch

from tests.training.test_loop import SETTINGS, VOCABULARY, Tagger, replace, uneven
from training.loop import train
from training.parallel import started


def run(folder, accumulation, methods, rank=0):
    torch.set_num_threads(1)
    model = Tagger(seed=0)
    settings = replace(SETTINGS, epochs=3, accumulation=accumulation, token_budget=40, soft_weight=0.5)
    history = train(model, uneven(), settings, VOCABULARY, checkpoint=folder / f"checkpoint-{rank}.pt", methods=methods)
    torch.save({"weights": model.state_dict(), "history": history}, folder / f"result-{rank}.pt")


def main():
    folder, accumulation, methods = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    with started(torch.device("cpu")) as workers:
        run(folder, accumulation, methods, workers.rank)


if __name__ == "__main__":
    main()
