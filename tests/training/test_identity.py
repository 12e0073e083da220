"""What of a recipe names a result."""

from dataclasses import dataclass, field, replace

import pytest

from training.identity import identity, since_then
from training.recipe import LargeRecipe, StudentRecipe
from training.run import fingerprint


@dataclass(frozen=True)
class Loop:
    epochs: int = 3
    methods: tuple[str, ...] = since_then(())


@dataclass(frozen=True)
class Model:
    layers: int = 6
    size: str = since_then("")
    loop: Loop = field(default_factory=Loop)


def test_later_keys_at_their_default_leave_the_name_as_it_was():
    assert identity(Model()) == {"layers": 6, "loop": {"epochs": 3}}


def test_a_later_key_that_is_used_names_another_result():
    names = [
        Model(),
        Model(size="auto"),
        Model(loop=Loop(methods=("swat",))),
        Model(layers=5),
        Model(loop=Loop(epochs=4)),
    ]
    assert len({fingerprint(identity(one)) for one in names}) == len(names)


@pytest.mark.parametrize("recipe", [LargeRecipe(), StudentRecipe()])
def test_results_of_before_are_still_found(recipe):
    """The keys that recipes had when results were first kept; a new one is to be declared with ``since_then``."""
    loop = {
        *("epochs", "learning_rate", "head_learning_rate", "token_budget", "accumulation", "warmup", "weight_decay"),
        *("clip", "token_noise", "hard_weight", "soft_weight", "temperature", "equal_occurrences"),
        *("unlabelled_share", "seed"),
    }
    own = {"base", "rank", "alpha", "loop"} if isinstance(recipe, LargeRecipe) else {"base", "layers", "loop"}
    found = identity(recipe)
    assert set(found) - {"unlabelled_limit"} == own
    assert set(found["loop"]) == loop
    changed = replace(recipe, loop=replace(recipe.loop, methods=("noise_scale",)))
    assert fingerprint(identity(changed)) != fingerprint(found)
