"""Runs are named by everything that decides their results, and by nothing else."""

from dataclasses import dataclass, replace

from tests.training.experiments.toy import tiny
from training.experiments.digests import code_digest, exact, meaning, plain, short
from training.experiments.jobs import Options
from training.experiments.material import load_material
from training.experiments.running import Setting


def test_comments_docstrings_and_layout_do_not_change_code():
    plain = "def f(x):\n    return x + 1\n"
    assert meaning(plain) == meaning("def f(x):  # adds\n\n    return (x +\n            1)\n")
    said = meaning('"""A."""\ndef f(x):\n    """B."""\n    return x + 1\n')
    assert said == meaning('"""C."""\ndef f(x):\n    """D."""\n    return x + 1\n')
    assert meaning(plain) != meaning("def f(x):\n    return x + 2\n")


def test_the_code_that_decides_is_there(project_root, tmp_path):
    assert code_digest() == code_digest()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("x = 1\n")
    first = code_digest(("a",), tmp_path)
    (tmp_path / "a" / "c.py").write_text("y = 1\n")
    assert code_digest(("a", "a/c.py"), tmp_path) != first


def test_values_are_plain_whatever_the_order_of_sets():
    @dataclass(frozen=True)
    class Some:
        names: frozenset[str]
        parts: tuple[dict[str, int], ...]

    found = plain(Some(frozenset("zyxwvabc"), ({"a": 1},)))
    assert found == {"names": sorted("zyxwvabc"), "parts": [{"a": 1}]}
    assert short(found) == short(plain(Some(frozenset("cbavwxyz"), ({"a": 1},))))


def test_everything_but_the_seed_names_a_setting():
    family = tiny("small")
    setting = Setting(family, 4)
    same = exact(family, setting.loop(soft=False))
    assert exact(family, replace(setting, seed=3).loop(soft=False)) == same
    others = [
        exact(family, replace(setting, pool=512).loop(soft=False)),
        exact(family, replace(setting, rate=2.0).loop(soft=False)),
        exact(replace(family, learning_rate=1e-3), setting.loop(soft=False)),
        exact(family, replace(setting.loop(soft=False), token_noise=0.0)),
    ]
    assert len({same, *others}) == 5
    assert setting.describe() == replace(setting, seed=3).describe()


def test_what_was_read_and_what_was_asked_for_make_the_context(home, data, cache, tmp_path):
    def load(**more):
        return load_material(home, "bills", data, tmp_path, base="tiny", **more)

    options = Options()
    found = {options.context(load()), options.context(load(withheld=10)), options.context(load(limit=20))}
    found |= {replace(options, epochs=3).context(load()), replace(options, rate=2.0).context(load())}
    assert len(found) == 5
    assert options.context(load()) in found
    # Seeds, and whether the grid is large, add runs and change none.
    assert replace(options, seeds=3, full=True).context(load()) == options.context(load())
