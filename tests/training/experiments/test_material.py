"""How documents are divided for experiments."""

import pytest

from gateway.evaluation.split import Split
from training.experiments.material import load_material, spread, withhold


def load(home, data, path, **more):
    return load_material(home, "bills", data, path, base="tiny", **more)


def test_what_is_withheld_is_judged_and_not_learned_from(home, data, cache, tmp_path):
    plain, more = load(home, data, tmp_path), load(home, data, tmp_path, withheld=10)
    names = [{item.id for item in part} for part in (plain.train, more.train, plain.development, more.development)]
    assert names[1] < names[0]
    assert names[2] < names[3]
    assert names[0] - names[1] == names[3] - names[2]
    assert 1 <= len(names[0] - names[1]) <= 10
    again = load(home, data, tmp_path, withheld=10)
    assert [item.id for item in again.development] == [item.id for item in more.development]


def test_at_most_a_fifth_is_withheld(home, data, cache, tmp_path):
    plain, most = load(home, data, tmp_path), load(home, data, tmp_path, withheld=10**6)
    assert len(plain.train) - len(most.train) <= len(plain.train) // 5


def test_groups_stay_together(home, data, cache, tmp_path):
    documents = load(home, data, tmp_path).train
    groups = {item.id: index // 3 for index, item in enumerate(documents)}
    split = Split("bills", 0, {}, groups, {})
    kept, withdrawn = withhold(documents, split, 30)
    assert not {groups[item.id] for item in kept} & {groups[item.id] for item in withdrawn}
    assert sorted([*kept, *withdrawn], key=documents.index) == documents


@pytest.mark.parametrize(("limit", "expected"), [(None, list(range(10))), (12, list(range(10))), (4, [0, 3, 6, 9])])
def test_a_trial_has_documents_from_everywhere(limit, expected):
    assert spread(list(range(10)), limit) == expected


def test_forms_are_learned_from_what_is_known(home, data, cache, tmp_path, monkeypatch):
    material = load(home, data, tmp_path)
    seen = []
    monkeypatch.setattr(
        "training.experiments.material.learn_forms",
        lambda documents, task, spans: seen.append([item.id for item in documents]),
    )
    material.forms_of([0, 2])
    material.forms_of(None)
    assert seen == [[material.train[0].id, material.train[2].id], [item.id for item in material.train]]
