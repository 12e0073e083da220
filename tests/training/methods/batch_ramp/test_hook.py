"""The lines of a batch ramp as the loop asks them: sizes and rates at each moment."""

import math

import pytest

from training.methods.batch_ramp.hook import from_line
from training.methods.hooks import Progress


def at(share, epochs=10):
    return Progress(round(1000 * share), 1000, 0, epochs)


def test_sizes_multiply_the_recipe_s_accumulation():
    hook = from_line("1, 2 at 30%, 4 at 6 epochs", warmup=0.0)
    assert [hook.batches(at(share), 3) for share in (0, 0.299, 0.3, 0.6)] == [3, 3, 6, 12]
    assert [hook.rate(at(share)) for share in (0, 0.3, 0.6)] == [1, 1, 1]


@pytest.mark.parametrize(("rule", "rates"), [("linear", [1, 2, 8]), ("sqrt", [1, math.sqrt(2), math.sqrt(8)])])
def test_the_rate_goes_with_the_size(rule, rates):
    hook = from_line(f"1, 2 at 30%, 8 at 60%; rate={rule}", warmup=0.0)
    assert [hook.rate(at(share)) for share in (0, 0.3, 0.6)] == pytest.approx(rates)


def test_a_large_batch_is_warmed_up_to_its_rate():
    hook = from_line("8; rate=linear warmup=20%", warmup=0.0)
    assert [hook.rate(at(share)) for share in (0, 0.1, 0.2, 0.9)] == pytest.approx([1, 4.5, 8, 8])


def test_an_update_that_an_epoch_s_end_cut_short_has_the_rate_of_its_own_size():
    cut = Progress(500, 1000, 0, 10, filled=0.25)
    assert from_line("8; rate=sqrt", warmup=0.0).rate(cut) == pytest.approx(math.sqrt(2))
    assert from_line("2; rate=sqrt", warmup=0.0).rate(cut) == 1
    late = Progress(900, 1000, 0, 10, filled=0.5)
    growth = from_line("grow=adamw most=8", warmup=0.0)
    assert growth.batches(late, 1) == 8
    assert 0.1 * growth.rate(late) == pytest.approx(0.1 * math.sqrt(4))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_growth_takes_the_place_of_the_loop_s_decay(optimizer):
    """The loop multiplies its own linear decay by the hook's rate: rate / batch, or rate / √batch, is that decay."""
    hook = from_line(f"grow={optimizer} factor=2 most=4", warmup=0.2)
    sizes = []
    for share in (0.0, 0.2, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99):
        decay = 1.0 if share <= 0.2 else (1 - share) / 0.8
        size = hook.batches(at(share), 1)
        sizes.append(size)
        assert decay * hook.rate(at(share)) == pytest.approx(decay * (size if optimizer == "sgd" else math.sqrt(size)))
    assert sizes == [1, 1, 1, 2, 2, 4, 4, 4]
