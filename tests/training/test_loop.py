"""The training loop on a model of one embedding and one linear layer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gateway.errors import TrainingDiverged
from training.examples import IGNORE, Example
from training.loop import MOST_ROLLBACKS, LoopSettings, Vocabulary, train

WORDS, FIELDS = 40, 2
VOCABULARY = Vocabulary(pad=0, mask=1, special=(0, 2, 3))
SETTINGS = LoopSettings(epochs=4, learning_rate=0.02, head_learning_rate=0.02, token_budget=60)


class Tagger(nn.Module):
    """Tags each token by itself. ``fail_at`` interrupts that forward pass; ``seen`` keeps what it was given."""

    def __init__(self, seed=0, fail_at=None):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(WORDS, 16)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(16, FIELDS * 3)
        self.fail_at = fail_at
        self.seen = []

    def forward(self, input_ids, attention_mask):
        assert torch.equal(attention_mask == 0, input_ids == VOCABULARY.pad)
        if len(self.seen) == self.fail_at:
            raise KeyboardInterrupt
        self.seen.append(input_ids.clone())
        return self.head(self.dropout(self.embedding(input_ids))).unflatten(-1, (FIELDS, 3))


def make_example(generator, unlabelled=False):
    """Token t has tag t % 3 in the first field and (t + 1) % 3 in the second."""
    inside = generator.integers(4, WORDS, generator.integers(3, 12))
    ids = np.concatenate(([2], inside, [3]))
    targets = np.stack([ids % 3, (ids + 1) % 3], axis=1)
    targets[[0, -1]] = IGNORE
    soft = np.eye(3, dtype=np.float32)[targets.clip(0)] if unlabelled else None
    if unlabelled:
        targets = np.full_like(targets, IGNORE)
    return Example(ids, targets, {}, soft)


def examples(labelled=40, unlabelled=0):
    generator = np.random.default_rng(0)
    return [make_example(generator, index >= labelled) for index in range(labelled + unlabelled)]


def accuracy(model):
    model.eval()
    ids = torch.arange(4, WORDS)[None]
    found = model(ids, torch.ones_like(ids)).argmax(-1)[0]
    return (found == torch.stack([ids[0] % 3, (ids[0] + 1) % 3], dim=1)).float().mean().item()


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns():
    model = Tagger()
    settings = replace(SETTINGS, epochs=12)
    history = train(model, examples(), settings, VOCABULARY)
    assert [record["epoch"] for record in history] == list(range(1, 13))
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert accuracy(model) > 0.95


def test_it_learns_from_a_teacher_alone():
    model = Tagger()
    settings = replace(SETTINGS, epochs=12, soft_weight=1.0, temperature=1.0)
    train(model, examples(labelled=0, unlabelled=40), settings, VOCABULARY)
    assert accuracy(model) > 0.95


def test_a_seed_fixes_the_result():
    runs = []
    for seed in (0, 0, 1):
        model = Tagger()
        train(model, examples(), replace(SETTINGS, seed=seed), VOCABULARY)
        runs.append(weights(model))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@pytest.mark.parametrize("where", ["in the second epoch", "after the second epoch"])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(tmp_path, where):
    data = examples(30, 30)
    settings = replace(SETTINGS, soft_weight=0.5, unlabelled_share=0.5, accumulation=2, equal_occurrences=1)
    straight = Tagger()
    history = train(straight, data, settings, VOCABULARY)
    batches = len(straight.seen) / settings.epochs

    def stop(_network, epoch):
        if epoch == 2 and where.startswith("after"):
            raise KeyboardInterrupt
        return ""

    checkpoint = tmp_path / "model.pt"
    broken = Tagger(fail_at=int(1.5 * batches) if where.startswith("in") else None)
    with pytest.raises(KeyboardInterrupt):
        train(broken, data, settings, VOCABULARY, checkpoint=checkpoint, evaluate=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]

    # Neither fresh weights nor the state of the process's random numbers matter: the checkpoint has it all.
    resumed = Tagger(seed=99)
    torch.manual_seed(12345)
    continued = train(resumed, data, settings, VOCABULARY, checkpoint=checkpoint)
    assert len(resumed.seen) == len(straight.seen) - len(straight.seen) // settings.epochs
    assert same(weights(resumed), weights(straight))
    assert [record["loss"] for record in continued] == [record["loss"] for record in history]


def test_a_finished_training_is_only_loaded(tmp_path):
    first, again = Tagger(), Tagger(seed=5)
    checkpoint = tmp_path / "model.pt"
    history = train(first, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    assert train(again, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint) == history
    assert again.seen == []
    assert same(weights(first), weights(again))


@pytest.mark.parametrize(
    "changed",
    [{"settings": replace(SETTINGS, learning_rate=0.01)}, {"data": examples(39)}, {"inputs": "other labels"}],
)
def test_a_checkpoint_of_other_settings_or_examples_is_not_continued(tmp_path, changed):
    checkpoint = tmp_path / "model.pt"
    train(Tagger(), examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    settings, data = changed.get("settings", SETTINGS), changed.get("data", examples())
    fresh, beside = Tagger(), Tagger()
    train(fresh, data, settings, VOCABULARY, checkpoint=checkpoint, inputs=changed.get("inputs", ""))
    train(beside, data, settings, VOCABULARY)
    assert same(weights(fresh), weights(beside))


def rows_of(model, epoch, epochs):
    """The examples an epoch's batches showed, by their tokens (equal batches an epoch assumed)."""
    size = len(model.seen) // epochs
    return [
        tuple(row[row != VOCABULARY.pad].tolist())
        for batch in model.seen[epoch * size : (epoch + 1) * size]
        for row in batch
    ]


def test_every_epoch_shows_all_labelled_examples_and_its_own_share_of_the_others():
    data = examples(20, 40)
    keys = [tuple(item.ids.tolist()) for item in data]
    assert len(set(keys)) == len(keys)
    # One example a batch, so that epochs have equally many.
    settings = replace(SETTINGS, epochs=3, token_budget=1, token_noise=0.0, unlabelled_share=0.25, soft_weight=1.0)
    model = Tagger()
    train(model, data, settings, VOCABULARY)
    drawn = []
    for epoch in range(3):
        shown = rows_of(model, epoch, 3)
        assert len(shown) == len(set(shown)) == 20 + 10
        assert set(keys[:20]) <= set(shown)
        drawn.append(set(shown) - set(keys[:20]))
        assert drawn[-1] <= set(keys[20:])
    assert drawn[0] != drawn[1] != drawn[2]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 20), (1.0, 60)])
def test_the_share_may_be_none_or_all(share, expected):
    model = Tagger()
    settings = replace(SETTINGS, epochs=1, token_budget=1, unlabelled_share=share)
    train(model, examples(20, 40), settings, VOCABULARY)
    assert len(model.seen) == expected


def test_noise_masks_its_share_of_the_tokens_and_no_special_one():
    data = examples(300)
    model = Tagger()
    train(model, data, replace(SETTINGS, epochs=1, token_noise=0.3), VOCABULARY)
    seen = torch.cat([batch.flatten() for batch in model.seen])
    total = sum(len(item.ids) - 2 for item in data)
    assert (seen == 2).sum() == (seen == 3).sum() == len(data)
    assert (seen == VOCABULARY.mask).sum().item() / total == pytest.approx(0.3, abs=0.05)
    clean = Tagger()
    train(clean, data, replace(SETTINGS, epochs=1, token_noise=0.0), VOCABULARY)
    assert not any((batch == VOCABULARY.mask).any() for batch in clean.seen)


def test_only_parameters_that_require_gradients_change_or_are_kept(tmp_path):
    model = Tagger()
    model.embedding.weight.requires_grad_(False)
    before = weights(model)
    train(model, examples(), SETTINGS, VOCABULARY, checkpoint=tmp_path / "model.pt")
    after = weights(model)
    assert torch.equal(before["embedding.weight"], after["embedding.weight"])
    assert not torch.equal(before["head.weight"], after["head.weight"])
    assert "embedding.weight" not in torch.load(tmp_path / "model.pt")["parameters"]


def test_the_head_has_a_rate_of_its_own():
    model = Tagger()
    before = weights(model)
    train(model, examples(), replace(SETTINGS, learning_rate=1e-9, weight_decay=0.0), VOCABULARY)
    after = weights(model)
    assert torch.allclose(before["embedding.weight"], after["embedding.weight"], atol=1e-5)
    assert (before["head.weight"] - after["head.weight"]).abs().max() > 0.01


def test_progress_and_the_evaluation_are_shown(capsys):
    calls = []

    def evaluate(network, epoch):
        calls.append(epoch)
        return f"F1 {epoch}0.0"

    train(Tagger(), examples(), SETTINGS, VOCABULARY, description="student", evaluate=evaluate)
    assert calls == [1, 2, 3, 4]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" loss")[0] for line in lines] == [f"student: epoch {epoch}" for epoch in (1, 2, 3, 4)]
    assert lines[3].endswith("F1 40.0")


#: Batches of an epoch of ``examples()``, one each.
BATCHES = 40
ONE_BY_ONE = replace(SETTINGS, epochs=6, token_budget=1, token_noise=0.0)


class Collapsing(Tagger):
    """Is confidently wrong from the third epoch on, once an update of the epoch had a rate above ``most``."""

    def __init__(self, most):
        super().__init__()
        self.most = most
        self.rate = lambda: 0.0

    def forward(self, input_ids, attention_mask):
        logits = super().forward(input_ids, attention_mask)
        # Confidently wrong: the tag after the right one.
        wrong = 20.0 * nn.functional.one_hot((input_ids.unsqueeze(-1) + torch.tensor([1, 2])) % 3, 3)
        # An epoch's first pass still sees the rate of the epoch before it.
        bad = len(self.seen) > 2 * BATCHES and len(self.seen) % BATCHES != 1 and self.rate() > self.most
        return logits * 0 + wrong if bad else logits


def collapsing(most, monkeypatch):
    """A model that collapses at rates above ``most``, and that sees the optimizer's rate."""
    model = Collapsing(most)
    real = torch.optim.AdamW

    def watched(*args, **kwargs):
        optimizer = real(*args, **kwargs)
        model.rate = lambda: optimizer.param_groups[0]["lr"]
        return optimizer

    monkeypatch.setattr(torch.optim, "AdamW", watched)
    return model


def test_an_epoch_that_makes_the_model_worse_is_undone_and_done_again_more_slowly(tmp_path, monkeypatch, capsys):
    model = collapsing(0.011, monkeypatch)
    history = train(model, examples(), ONE_BY_ONE, VOCABULARY, checkpoint=tmp_path / "state.pt")
    undone = [record for record in history if "undone" in record]
    kept = [record for record in history if "undone" not in record]
    assert len(undone) == 1
    assert [record["epoch"] for record in kept] == list(range(1, 7))
    assert kept[-1]["loss"] < kept[0]["loss"]
    assert "0.5 times the learning rate" in capsys.readouterr().out
    # A finished training is loaded, with what was undone in its history.
    again = Tagger()
    train(again, examples(), ONE_BY_ONE, VOCABULARY, checkpoint=tmp_path / "state.pt")
    assert same(weights(model), weights(again))


def test_a_model_that_collapses_at_every_rate_is_an_error(monkeypatch):
    model = collapsing(0.0, monkeypatch)
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        train(model, examples(), ONE_BY_ONE, VOCABULARY)
    assert MOST_ROLLBACKS >= 1


def test_a_loss_that_is_no_number_is_undone_too(monkeypatch):
    model = Tagger()
    real, passes = model.forward, []

    def forward(input_ids, attention_mask):
        passes.append(None)
        logits = real(input_ids, attention_mask)
        return logits * float("nan") if len(passes) == 9 else logits

    monkeypatch.setattr(model, "forward", forward)
    history = train(model, examples(), replace(SETTINGS, epochs=6), VOCABULARY)
    assert sum("undone" in record for record in history) == 1
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def records_labels(model, data, settings, **more):
    """Train without noise or dropout, so that only how batches are weighed can differ."""
    model.dropout.p = 0.0
    train(model, data, replace(settings, token_noise=0.0, **more), VOCABULARY)
    return weights(model)


def uneven(count=12):
    """Examples of very different length, one with a field that is not annotated, and some with a teacher."""
    data = examples(count - 4, 4)
    for item in data[:3]:
        item.ids, item.targets = np.tile(item.ids, 3), np.tile(item.targets, (3, 1))
    data[0].targets[:, 1] = IGNORE
    data[1].targets[2:6] = IGNORE
    for item in data[:4]:
        item.soft = np.full((len(item.ids), FIELDS, 3), 1 / 3, dtype=np.float32)
    generator = np.random.default_rng(1)
    for item in data:
        if item.soft is not None:
            item.states = generator.normal(size=(len(item.ids), 5)).astype(np.float32)
    return data


@pytest.mark.parametrize(("soft_weight", "relation_weight"), [(0.0, 0.0), (0.7, 0.0), (0.7, 2.0), (0.0, 2.0)])
def test_an_update_of_several_batches_is_that_of_one_batch_of_all_their_tokens(soft_weight, relation_weight):
    """The joint batch's loss divides by all labelled tokens, so batches must count by theirs, not alike."""
    data = uneven()
    settings = replace(SETTINGS, epochs=1, soft_weight=soft_weight, relation_weight=relation_weight, clip=1e9)
    joint, parts = Tagger(), Tagger()
    moved = []
    for model, more in ((joint, {"token_budget": 10_000}), (parts, {"token_budget": 40, "accumulation": 99})):
        gradients = {}
        for name, parameter in model.named_parameters():
            parameter.register_hook(
                lambda gradient, name=name, gradients=gradients: gradients.update(
                    {name: gradients.get(name, 0) + gradient}
                )
            )
        records_labels(model, data, settings, **more)
        moved.append(gradients)
    assert len(joint.seen) == 1
    assert len(parts.seen) > 2
    for name, gradient in moved[0].items():
        assert torch.allclose(gradient, moved[1][name], rtol=2e-2, atol=2e-3), name


def test_batches_that_counted_alike_would_be_noticed():
    """What the test above guards against: the mean of batches' means is another gradient."""
    data = uneven()
    sizes = [int((item.targets != IGNORE).any(-1).sum()) for item in data]
    assert max(sizes) > 3 * np.mean(sizes)


def test_statistics_of_batch_normalisation_are_kept_and_undone_with_the_rest(tmp_path):
    class Normalising(Tagger):
        def __init__(self, seed=0, fail_at=None):
            super().__init__(seed, fail_at)
            self.norm = nn.BatchNorm1d(16)

        def forward(self, input_ids, attention_mask):
            if len(self.seen) == self.fail_at:
                raise KeyboardInterrupt
            self.seen.append(input_ids.clone())
            hidden = self.norm(self.embedding(input_ids).float().flatten(0, 1)).view(*input_ids.shape, 16)
            return self.head(hidden).unflatten(-1, (FIELDS, 3))

    straight = Normalising()
    train(straight, examples(), SETTINGS, VOCABULARY)
    broken = Normalising(fail_at=len(straight.seen) - 2)
    checkpoint = tmp_path / "model.pt"
    with pytest.raises(KeyboardInterrupt):
        train(broken, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    resumed = Normalising(seed=7)
    train(resumed, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    assert torch.equal(resumed.norm.running_mean, straight.norm.running_mean)
    assert torch.equal(resumed.norm.running_var, straight.norm.running_var)
    assert not torch.equal(straight.norm.running_mean, torch.zeros(16))


def test_f1_by_field_is_shown_and_kept_in_the_record(capsys):
    history = train(
        Tagger(), examples(), SETTINGS, VOCABULARY, evaluate=lambda _, epoch: {"micro": 10.0 * epoch, "total": 1.0}
    )
    assert [record["f1"] for record in history] == [{"micro": 10.0 * epoch, "total": 1.0} for epoch in (1, 2, 3, 4)]
    assert capsys.readouterr().out.splitlines()[2].endswith("development F1 micro 30.0 total 1.0")


def test_lines_of_the_settings_turn_methods_on(tmp_path):
    by_settings, by_argument = Tagger(), Tagger()
    line = "batch_ramp 1, 2 at 50%"
    train(by_settings, examples(), replace(SETTINGS, methods=(line,)), VOCABULARY, checkpoint=tmp_path / "model.pt")
    train(by_argument, examples(), SETTINGS, VOCABULARY, methods=[line])
    assert same(weights(by_settings), weights(by_argument))
    plain = Tagger()
    train(plain, examples(), SETTINGS, VOCABULARY, checkpoint=tmp_path / "model.pt")
    assert not same(weights(plain), weights(by_settings))


def test_what_is_left_is_asked_for_with_the_share_that_is_done():
    asked = []

    def remaining(share):
        asked.append(share)
        return "1 h left"

    train(Tagger(), examples(), SETTINGS, VOCABULARY, remaining=remaining)
    assert asked == sorted(asked)
    assert 0 < asked[0] < 0.1
    assert asked[-1] == 1.0


def test_a_running_training_is_not_continued_by_another_number_of_processes_but_a_finished_one_is_loaded(tmp_path):
    checkpoint = tmp_path / "model.pt"
    model = Tagger()
    train(model, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    state = torch.load(checkpoint)
    torch.save({**state, "workers": 2}, checkpoint)
    loaded = Tagger(seed=3)
    train(loaded, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    assert loaded.seen == []
    torch.save({**state, "workers": 2, "epoch": 2}, checkpoint)
    anew = Tagger()
    train(anew, examples(), SETTINGS, VOCABULARY, checkpoint=checkpoint)
    assert len(anew.seen) == len(model.seen)


def test_tokens_become_related_as_the_teacher_says():
    """A teacher in whose states tokens are near when their tags are the same."""
    data = examples(20, 20)
    for item in data:
        item.soft = np.full((len(item.ids), FIELDS, 3), 1 / 3, dtype=np.float32)
        item.states = np.eye(3, dtype=np.float32)[item.ids % 3]
    alike = torch.arange(4, WORDS)[:, None] % 3 == torch.arange(4, WORDS)[None] % 3
    settings = replace(
        SETTINGS, epochs=25, learning_rate=0.05, hard_weight=0.0, soft_weight=0.0, token_noise=0.0, weight_decay=0.0
    )
    apart = []
    for weight in (0.0, 1.0):
        model = Tagger()
        train(model, data, replace(settings, relation_weight=weight), VOCABULARY)
        table = model.embedding.weight.detach()[4:]
        unit = nn.functional.normalize(table - table.mean(0))
        cosines = unit @ unit.T
        apart.append(float(cosines[alike].mean() - cosines[~alike].mean()))
    assert apart[1] > apart[0] + 0.3
