"""Recipes: from YAML and from --set, checked before anything runs."""

import dataclasses

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ConfigurationError
from training.loop import LoopSettings
from training.recipe import LargeRecipe, Recipe, SplitRecipe, StudentRecipe, dump_recipe, load_recipe, recipe_of

rates = st.floats(1e-6, 1, exclude_min=True)
loops = st.builds(
    LoopSettings,
    epochs=st.integers(1, 50),
    learning_rate=rates,
    head_learning_rate=rates,
    token_budget=st.integers(1, 10_000),
    temperature=st.floats(0.5, 10),
    unlabelled_share=st.floats(0, 1),
    methods=st.sampled_from([(), ("noise_scale", "batch_ramp 1, 2 at 30%"), ("swat keep=50% structured",)]),
)
names = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8)
recipes = st.builds(
    Recipe,
    split=st.builds(
        SplitRecipe,
        seed=st.integers(),
        group_by=st.lists(names, max_size=3).map(tuple),
        calibration=st.floats(0.01, 0.4),
        development=st.floats(0.01, 0.3),
    ),
    large=st.builds(LargeRecipe, base=names, rank=st.integers(1, 64), loop=loops),
    student=st.builds(
        StudentRecipe,
        layers=st.integers(1, 12),
        size=st.sampled_from(["", "auto", "conv-4x96", "latency=3 parameters=5e6"]),
        unlabelled_limit=st.integers(-1, 99),
        loop=loops,
    ),
    window=st.integers(300, 512),
    stride=st.integers(0, 200),
    targets=st.lists(st.floats(0.5, 0.999), min_size=1, max_size=4).map(tuple),
    sources=st.lists(names, max_size=2).map(tuple),
    select=st.sampled_from(["", "random keep=50%", "prototypes keep=20% prefer=low"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipes)
def test_a_dumped_recipe_is_read_as_it_was(tmp_path, recipe):
    path = tmp_path / "recipe.yaml"
    path.write_text(dump_recipe(recipe), "utf-8")
    assert load_recipe(path) == recipe


def test_without_anything_the_defaults_hold():
    assert load_recipe(None) == Recipe()


def test_a_file_changes_what_it_names_and_settings_have_the_last_word(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "window: 256\nlarge: {rank: 8, loop: {epochs: 3, learning_rate: 1}}\ntargets: [0.9, 0.95]\n", "utf-8"
    )
    recipe = load_recipe(
        path, ["large.loop.epochs=2", "student.loop.learning_rate=1e-3", "targets=[0.5]", "window=384"]
    )
    assert (recipe.window, recipe.targets) == (384, (0.5,))
    assert (recipe.large.rank, recipe.large.loop.epochs, recipe.large.loop.learning_rate) == (8, 2, 1.0)
    assert recipe.student.loop.learning_rate == 1e-3
    default = Recipe()
    assert recipe.student.layers == default.student.layers
    assert recipe.large.alpha == default.large.alpha


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("large.base=other-base", "other-base"),
        ("large.loop.learning_rate=3", 3.0),
        ("large.loop.learning_rate=3E-4", 3e-4),
        ("split.group_by=[company, address]", ("company", "address")),
        ("sources=['a: b']", ("a: b",)),
        ("student.unlabelled_limit=-1", -1),
    ],
)
def test_a_setting_is_read_as_its_type(setting, value):
    found = load_recipe(None, [setting])
    for part in setting.partition("=")[0].split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=2", "unknown key epochs; there are: context_tokens, folds, large, select, sources, split, "),
        ("large.loop.epoch=2", "unknown key large.loop.epoch; there are: accumulation, clip, epochs, "),
        ("large.loop.epochs.more=2", "large.loop.epochs must be of type int, found {'more': 2}"),
        ("large.loop=2", "large.loop must be a mapping"),
        ("large=", "large must be a mapping"),
        ("large.loop.epochs=two", "large.loop.epochs must be of type int, found 'two'"),
        ("large.loop.epochs=2.0", "large.loop.epochs must be of type int, found 2.0"),
        ("large.loop.epochs=true", "large.loop.epochs must be of type int, found True"),
        ("large.loop.learning_rate=true", "large.loop.learning_rate must be of type float, found True"),
        ("large.base=1", "large.base must be of type str, found 1"),
        ("targets=0.9", "targets must be a list, found 0.9"),
        ("targets=[high]", "each of targets must be of type float, found 'high'"),
        ("split.calibration=0", "split.calibration must be above 0"),
        ("split.calibration=0.8", "split.calibration must be above 0, at most 0.7"),
        ("split.development=0.6", "split.development must be above 0, with split.calibration at most 0.7"),
        ("split.group_by=company", "split.group_by must be a list, found 'company'"),
        ("split.group_by=[1]", "each of split.group_by must be of type str, found 1"),
        ("window", "--set window: expected key=value"),
        ("window=[1", "--set window=[1: the value is not YAML"),
        ("=1", "unknown key ;"),
    ],
)
def test_wrong_settings_are_named(setting, message):
    with pytest.raises(ConfigurationError) as caught:
        load_recipe(None, [setting])
    assert message in caught.value.message


@pytest.mark.parametrize(
    "setting",
    [
        "window=513",
        "window=2",
        "stride=-1",
        "stride=510",
        "threads=-1",
        "targets=[]",
        "targets=[1.0]",
        "targets=[0.4]",
        "targets=[.nan]",
        "large.rank=0",
        "large.loop.epochs=0",
        "large.loop.token_budget=0",
        "student.layers=0",
        "student.unlabelled_limit=-2",
        "student.loop.accumulation=0",
        "student.loop.seed=-1",
        "student.loop.relation_weight=-1",
        "student.loop.pool=0",
        "student.loop.learning_rate=0",
        "student.loop.head_learning_rate=-1",
        "student.loop.temperature=0",
        "student.loop.warmup=1.1",
        "student.loop.token_noise=1",
        "student.loop.unlabelled_share=1.5",
    ],
)
def test_what_would_fail_hours_later_is_refused_at_once(setting):
    key = setting.partition("=")[0]
    with pytest.raises(ConfigurationError, match=f"recipe: {key} must be"):
        load_recipe(None, [setting])


@pytest.mark.parametrize("content", ["[1]", "just text", "a: [", "\xff\xfe"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, content):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="recipe"):
        load_recipe(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load_recipe(tmp_path / "none.yaml")


def test_an_empty_file_changes_nothing(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("# nothing\n", "utf-8")
    assert load_recipe(path) == Recipe()


def test_the_project_s_recipes_are_good():
    assert recipe_of("no-such-task") is None
    path = recipe_of("receipts")
    assert path is not None
    recipe = load_recipe(path)
    assert recipe.sources
    assert yaml.safe_load(dump_recipe(recipe))["student"]["loop"] == {
        **dataclasses.asdict(recipe.student.loop),
        "methods": [],
    }
