"""``cascade train`` on bad data: a message that says what to do, or a training that makes sense of it."""

import json

import pytest

from tests.training.bills import cascade, write_data, write_home

# peft's use of transformers
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture
def home(tmp_path):
    return write_home(tmp_path / "home", tmp_path / "cache").path


def train(home, data, *more):
    return cascade(home, "train", "bills", "--data", data, "--recipe", home / "recipe.yaml", *more)


def write(path, documents):
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in documents), "utf-8")
    return path


def bills(tmp_path, size=40):
    """Good documents, to be spoilt."""
    path = write_data(tmp_path / "good.jsonl", size, 0)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def refused(result, *expected):
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert "error[invalid-dataset]: " in result.output
    for text in expected:
        assert text in result.output
    # Nothing was trained, and nothing was divided for good.
    assert "[large]" not in result.output


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file(home, tmp_path, content):
    data = tmp_path / "empty.jsonl"
    data.write_text(content, "utf-8")
    refused(train(home, data), f"{data} cannot be trained on as it is", "D002", "Write at least some dozens")


def test_wrong_json_is_named_with_its_line(home, tmp_path):
    data = write(tmp_path / "bad.jsonl", bills(tmp_path))
    lines = data.read_text("utf-8").splitlines()
    lines[6] = lines[6][:-4]
    lines[9] = "[1]"
    data.write_text("\n".join(lines), "utf-8")
    refused(train(home, data), f"{data}: line 7: not JSON", "line 10: expected a JSON object", "Correct the line")


def test_spans_outside_the_text_are_named(home, tmp_path):
    documents = bills(tmp_path)
    documents[3]["spans"] = {"shop": [[0, 5000]]}
    data = write(tmp_path / "spans.jsonl", documents)
    refused(train(home, data), "line 4: span [0, 5000]", "lies outside the text (0 to ")


def test_a_field_of_the_task_that_nobody_labelled(home, tmp_path):
    documents = bills(tmp_path)
    for item in documents:
        del item["labels"]["shop"]
    data = write(tmp_path / "field.jsonl", documents)
    refused(train(home, data), "D060 [shop]", "take them out of task.yaml")


def test_documents_without_any_value(home, tmp_path):
    documents = [{**item, "labels": {"shop": None, "total": None}} for item in bills(tmp_path)]
    refused(train(home, write(tmp_path / "none.jsonl", documents)), "D005", "--unlabelled")


def test_bad_unlabelled_documents_are_named_too(home, tmp_path):
    data = write(tmp_path / "good.jsonl", bills(tmp_path))
    more = tmp_path / "more.jsonl"
    more.write_text('{"text": "a"}\nnot json\n', "utf-8")
    refused(train(home, data, "--unlabelled", more), f"{more}:2: not JSON")


def test_one_value_only_is_trained_on_with_a_warning(home, tmp_path):
    documents = bills(tmp_path)
    for item in documents:
        shop = item["labels"]["shop"]
        item.update(text=item["text"].replace(shop, "TEA SHOP"), labels={**item["labels"], "shop": "TEA SHOP"})
    result = train(home, write(tmp_path / "one.jsonl", documents), "--plan")
    assert result.exit_code == 0, result.output
    assert "D012 [shop]" in result.output
    assert "from one value nothing can be told apart" in result.output


# A whole training and export: some ten seconds.
def test_ten_documents_in_another_script_with_a_field_never_found_are_trained_on_with_warnings(home, tmp_path):
    documents = []
    for number in range(10):
        total = f"{number + 1}.50"
        text = f"ร้านน้ำชา {number}\nยอดรวม RM {total}"
        # The label names what the text never says.
        documents.append({"id": str(number), "text": text, "labels": {"shop": f"Tea House {number}", "total": total}})
    cheap = ("large.loop.epochs=1", "student.loop.epochs=1", "student.layers=1", "folds.count=2")
    settings = [part for setting in cheap for part in ("--set", setting)]
    result = train(home, write(tmp_path / "thai.jsonl", documents), *settings)
    assert result.exit_code == 0, result.output
    for expected in ("D010 only 10 documents", "D017 ", "D040", "  shop: none of its ", "models cannot learn it"):
        assert expected in result.output
    assert "certified: none" in result.output
    assert (home / "models" / "bills" / "policy.json").is_file()
