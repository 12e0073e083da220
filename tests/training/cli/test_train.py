"""``cascade train``: wrong use, and one run at a time."""

import json

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.errors import ModelMissing
from tests.training.bills import cascade, write_data, write_home
from training.run import locked


@pytest.fixture
def home(tmp_path):
    return write_home(tmp_path / "home", tmp_path / "cache").path


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "bills.jsonl", 30, 0)


def train(home, data, *more):
    return cascade(home, "train", "bills", "--data", data, "--recipe", home / "recipe.yaml", *more)


def message(result, code, error=None):
    """The error line of a command that failed as it should."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert error is None or f"error[{error}]: " in result.output
    return result.output


@pytest.mark.parametrize(
    "arguments", [["train"], ["train", "bills"], ["train", "bills", "--data", "x", "--sett", "a=1"]]
)
def test_wrong_use_leaves_with_2(home, arguments):
    assert "Usage: " in message(cascade(home, *arguments), 2)


def test_a_task_that_does_not_exist(home, data):
    message(cascade(home, "train", "receipts", "--data", data), 2, "unknown-task")


def test_a_home_without_rules(tmp_path, data):
    message(cascade(tmp_path, "train", "bills", "--data", data), 2, "home-not-found")


def test_data_that_is_not_there_or_no_data(home, tmp_path):
    assert "none.jsonl" in message(train(home, tmp_path / "none.jsonl"), 2, "invalid-dataset")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "a"}\n{"labels": {}}\n', "utf-8")
    assert f"{bad}:2" in message(train(home, bad), 2, "invalid-dataset")


def test_labels_that_are_nowhere_in_their_texts(home, tmp_path):
    path = tmp_path / "other.jsonl"
    lines = [
        json.dumps({"id": str(number), "text": f"text {number}", "labels": {"total": "9.00"}}) for number in range(30)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert "no labelled value was found" in message(train(home, path), 1, "configuration")


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("large.loop.epoch=2", "unknown key large.loop.epoch; there are: "),
        ("large.loop.epochs=0", "large.loop.epochs must be at least 1"),
        ("large.loop.epochs", "expected key=value"),
        ("student.base=unheard-of", "does not name the base 'unheard-of'"),
    ],
)
def test_a_wrong_recipe_is_named(home, data, setting, problem):
    assert problem in message(train(home, data, "--set", setting), 1, "configuration")


def test_a_recipe_that_is_not_there(home, data):
    result = cascade(home, "train", "bills", "--data", data, "--recipe", home / "none.yaml")
    assert "none.yaml" in message(result, 1, "configuration")


def test_nothing_is_thrown_away_for_a_recipe_that_is_wrong(home, data):
    kept = home / ".cascade" / "train" / "bills" / "large.pt"
    kept.parent.mkdir(parents=True)
    kept.write_text("checkpoint", "utf-8")
    message(train(home, data, "--no-resume", "--set", "window=0"), 1, "configuration")
    assert kept.read_text("utf-8") == "checkpoint"


@pytest.mark.parametrize("option", [[], ["--no-resume"]])
def test_two_runs_do_not_share_a_work_directory(home, data, tmp_path, option):
    work = tmp_path / "work"
    kept = work / "large.pt"
    work.mkdir()
    kept.write_text("checkpoint", "utf-8")
    # The lock belongs to an open file, so a second opening in this process is refused as another process's would be.
    with locked(work):
        output = message(train(home, data, "--work", work, *option), 1, "configuration")
        assert "is at work here" in output
        assert str(work) in output
    assert kept.exists()


def test_starting_anew_forgets_what_was_kept(home, data, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "large.pt").write_text("no checkpoint at all", "utf-8")
    # It fails later, at the data, once the work directory is clean.
    message(train(home, tmp_path / "none.jsonl", "--work", work, "--no-resume"), 2, "invalid-dataset")
    assert [path.name for path in work.iterdir()] == [".lock"]


def test_a_data_set_too_small_to_divide_is_refused(home, tmp_path):
    data = write_data(tmp_path / "tiny.jsonl", 3, 0)
    assert "development" in message(train(home, data), 2, "invalid-dataset")


def test_models_go_where_they_are_asked_to(bills, tmp_path):
    out = tmp_path / "out"
    # The stages up to the split run before anything is trained; a full run is tested with the pipeline.
    result = bills.train("--out", out, "--work", tmp_path / "work", "--set", "student.base=unheard-of")
    message(result, 1, "configuration")
    assert {path.name for path in out.iterdir()} == {"split.json", "forms.json"}
    assert (tmp_path / "work" / ".lock").exists()


def test_help_needs_no_home():
    result = CliRunner().invoke(main, ["train", "--help"])
    assert result.exit_code == 0
    for option in ("--data", "--unlabelled", "--recipe", "--set", "--out", "--resume"):
        assert option in result.output


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_other_labels_or_another_adapter_are_trained_anew(home, tmp_path, monkeypatch):
    """A checkpoint of the same size, made from other labels, is not what was asked for."""
    data = write_data(tmp_path / "bills.jsonl", 40, 0)

    def stop(*_):
        raise ModelMissing("the student is not what is tested")

    monkeypatch.setattr("training.student.build", stop)

    def output(*more):
        return message(train(home, data, "--set", "large.loop.epochs=1", *more), 1, "model-missing")

    assert "large: epoch 1" in output()
    assert "[large] done before" in output()
    lines = [json.loads(line) for line in data.read_text("utf-8").splitlines()]
    for raw in lines:
        raw["labels"]["shop"] = raw["text"].split()[0]
    data.write_text("\n".join(map(json.dumps, lines)) + "\n", "utf-8")
    for more in ([], ["--set", "large.alpha=4"], ["--set", "large.rank=2"]):
        again = output(*more)
        assert "resuming" not in again
        assert "large: epoch 1" in again


def test_an_id_that_stands_in_both_files_is_refused(home, data, tmp_path):
    result = train(home, data, "--unlabelled", data)
    assert 'the id "bills/0" stands in' in message(result, 2, "invalid-dataset")


def test_several_values_for_a_single_field_are_refused_before_training(home, tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_text('{"id": "a", "text": "A B", "labels": {"shop": ["A", "B"]}}\n', "utf-8")
    assert "write `many: true`" in message(train(home, path), 2, "invalid-dataset")
