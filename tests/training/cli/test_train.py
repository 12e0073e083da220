"""``cascade train``: wrong use, and one run at a time."""

import json
import re

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.errors import FetchFailed, ModelMissing
from tests.training.bills import cascade, write_data, write_home
from training.run import claimed, locked

# peft's use of transformers
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


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
    output = message(train(home, bad), 2, "invalid-dataset")
    assert f"{bad}: line 2: " in output
    assert "Correct the line" in output


def test_labels_that_are_nowhere_in_their_texts(home, tmp_path):
    path = tmp_path / "other.jsonl"
    lines = [
        json.dumps({"id": str(number), "text": f"text {number}", "labels": {"total": "9.00", "shop": "TEA"}})
        for number in range(30)
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
        ("student.loop.methods=[swat keep=2]", "student.loop.methods: swat: keep must be a number from"),
        ("large.loop.methods=[dropout]", "large.loop.methods: there is no method dropout"),
        ("student.size=huge", "student.size: there is no size 'huge'; there are: auto, "),
        ("student.size=latency=0", "student.size: size: latency must be a number from"),
        ("select=luck keep=50%", "select: select: score must be one of random, prototypes, "),
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
        output = message(train(home, data, "--work", work, *option), 1, "directory-in-use")
        assert "is at work here" in output
        assert str(work) in output
    assert kept.exists()


def test_two_runs_do_not_share_an_output_directory(home, data, tmp_path):
    out = tmp_path / "out"
    with claimed(out):
        output = message(train(home, data, "--out", out), 1, "directory-in-use")
        assert "is at work here" in output
        assert str(out) in output
    assert list(out.iterdir()) == []


def test_starting_anew_forgets_what_was_kept(home, data, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "large.pt").write_text("no checkpoint at all", "utf-8")
    # It fails later, at the data, once the work directory is clean.
    message(train(home, tmp_path / "none.jsonl", "--work", work, "--no-resume"), 2, "invalid-dataset")
    assert [path.name for path in work.iterdir() if path.is_file()] == [".lock"]


def test_a_data_set_too_small_to_divide_is_refused(home, tmp_path):
    data = write_data(tmp_path / "tiny.jsonl", 3, 0)
    assert "development" in message(train(home, data), 2, "invalid-dataset")


def test_models_go_where_they_are_asked_to(bills, tmp_path):
    out = tmp_path / "out"
    # The stages up to the split run before anything is planned; a full run is tested with the pipeline.
    result = bills.train("--out", out, "--work", tmp_path / "work", "--plan")
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"split.json", "forms.json"}
    assert (tmp_path / "work" / ".lock").exists()
    for stage in ("large", "teacher", "student", "folds", "calibrate"):
        assert re.search(rf"^  {stage} +to do, about \d", result.output, re.MULTILINE), stage
    assert re.search(r"all together about .*: until \w+ \d\d:\d\d", result.output)


def test_help_needs_no_home():
    result = CliRunner().invoke(main, ["train", "--help"])
    assert result.exit_code == 0
    for option in ("--data", "--unlabelled", "--recipe", "--set", "--device", "--plan", "--out", "--resume"):
        assert option in result.output


def test_other_labels_or_another_adapter_are_trained_anew(home, tmp_path, monkeypatch):
    """A checkpoint of the same size, made from other labels, is not what was asked for."""
    data = write_data(tmp_path / "bills.jsonl", 40, 0)

    def stop(*_, **__):
        raise ModelMissing("the student is not what is tested")

    monkeypatch.setattr("training.student.train_student", stop)

    def output(*more):
        cheap = ("--set", "large.loop.epochs=1", "--set", "folds.count=0")
        return message(train(home, data, *cheap, *more), 1, "model-missing")

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
    assert "Write many: true" in message(train(home, path), 2, "invalid-dataset")


def test_the_size_may_be_given_as_an_option(home, data):
    problem = "student.size: there is no size 'huge'"
    assert problem in message(train(home, data, "--size", "huge"), 1, "configuration")


def test_a_device_that_is_not_there_is_refused(home, data, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "sees no GPU" in message(train(home, data, "--device", "cuda"), 1, "configuration")
    assert "Usage: " in message(train(home, data, "--device", "tpu"), 2)


def test_bases_that_cannot_be_had_end_a_run_before_anything_is_trained(home, data, monkeypatch):
    def refuse(base, *_, **__):
        raise FetchFailed(f"{base.name} could not be fetched")

    monkeypatch.setattr("training.pipeline.pipeline.fetch", refuse)
    output = message(train(home, data), 1, "fetch-failed")
    assert "[large]" not in output
    assert "[align]" not in output


def test_an_interrupted_run_says_how_to_go_on(home, data, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.large.train_large", stop)
    result = train(home, data)
    assert result.exit_code == 130, result.output
    assert "the same command goes on" in result.output
    assert "Traceback" not in result.output
    # What was done is kept, and nobody holds the directories any more.
    assert "[align] done before" in train(home, data, "--plan").output
