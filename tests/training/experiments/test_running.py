"""One run: what it takes is counted, and what it learned is measured."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.experiments.toy import tiny
from training.examples import IGNORE
from training.experiments.running import Setting, held_out_loss, metered, parameters_of
from training.losses import hard_loss
from training.methods.swat.sparse import apply_swat

FAMILY = tiny("small")


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.first = nn.Linear(4, 6)
        self.last = nn.Linear(6, 2)

    def forward(self, ids, mask):
        return self.last(self.first(self.table(ids)))


def test_operations_tokens_and_updates_are_counted():
    network = Counted().train()
    ids, mask = torch.ones((2, 5), dtype=torch.long), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with metered(network) as meter:
        network(ids, mask).sum().backward()
        optimizer.step()
        with torch.no_grad():
            network(ids, mask)
        network.eval()
        network(ids, mask)
    network.train()
    network(ids, mask)
    optimizer.step()
    assert (meter.updates, meter.tokens) == (1, 7)
    # Ten places; a multiply and an add for each weight; forward, and two products backward.
    assert meter.flops == 10 * 2 * 3 * (4 * 6 + 6 * 2)
    assert parameters_of(network) == (4 * 6 + 6 + 6 * 2 + 2, 40)


def test_what_is_left_out_does_not_count():
    network = Counted().train()
    apply_swat(network, 0.5, keep_activations=0.25)
    with metered(network) as meter:
        network(torch.ones((1, 5), dtype=torch.long), torch.ones((1, 5), dtype=torch.long))
    assert meter.flops == pytest.approx(5 * 2 * (4 * 6 + 6 * 2) * (0.5 + 0.5 + 0.25))


def test_the_loss_is_that_of_training(bench):
    material = bench.material
    view = material.view(FAMILY)
    network = bench.build(FAMILY, 0).eval()
    asked = bench.ask(network, view, view.development)
    from training.examples import collate, make_examples

    examples = [
        example
        for encoding, spans in zip(view.development, material.development_spans, strict=True)
        for example in make_examples(view.encoder, encoding, spans, material.fields)
    ]
    batch = collate(examples, view.vocabulary.pad)
    with torch.no_grad():
        logits = network(batch.input_ids, batch.attention_mask)
    assert held_out_loss(asked, view.targets) == pytest.approx(float(hard_loss(logits, batch, None)), rel=1e-3)


def test_places_without_annotation_are_left_out():
    sure = np.full((2, 2, 3), [0.25, 0.5, 0.25], dtype=np.float32)
    targets = np.array([[1, IGNORE], [IGNORE, IGNORE]])
    assert held_out_loss([sure], [targets]) == pytest.approx(np.log(2))


def test_a_student_learns_and_pairs_share_their_draws(bench):
    setting = Setting(FAMILY, epochs=4, token_budget=200, seed=1)
    figures, again = bench.run(setting), bench.run(setting)
    assert figures["f1"] > 60
    same = ("f1", "span_f1", "loss", "updates", "tokens", "flops")
    assert [figures[name] for name in same] == [again[name] for name in same]
    assert figures["tokens"] == 4 * sum(len(item.ids) for item in bench.material.view(FAMILY).of(None))
    other = bench.build(FAMILY, 2)
    first = bench.build(FAMILY, 1)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert torch.equal(first.encoder.embeddings.word_embeddings.weight, other.encoder.embeddings.word_embeddings.weight)


def test_a_larger_batch_makes_fewer_updates(bench):
    plain = bench.run(Setting(FAMILY, epochs=1, token_budget=200))
    larger = bench.run(Setting(FAMILY, epochs=1, token_budget=200, methods=("batch_ramp 4; rate=sqrt",)))
    assert larger["updates"] == -(-plain["updates"] // 4)
    assert larger["flops"] == plain["flops"]


def test_documents_can_be_chosen(bench):
    figures = bench.run(Setting(FAMILY, epochs=1, token_budget=200), [0, 1, 2])
    assert figures["documents"] == 3
    assert figures["tokens"] == sum(len(item.ids) for item in bench.material.view(FAMILY).of([0, 1, 2]))
