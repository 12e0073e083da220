"""``cascade rules draft``: rules that hold on unseen documents, from the training part alone, ready to be edited."""

import json
import random

import pytest
import yaml
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.task import load_task
from gateway.tiers.rules.lint import check_task
from gateway.tiers.rules.measure import measure
from gateway.tiers.rules.tier import RulesTier
from training.drafting.drafting import draft_field, make_folds
from training.drafting.occurrences import field_corpus
from training.drafting.run import draft_rules, library_of
from training.drafting.selecting import Demand

TASK = """
task: orders
closed_labels: true
fields:
  number: {type: text}
  wanted: {type: date}
  city: {type: text, many: true}
  mood: {type: text}
"""
CITIES = ("Ipoh", "Johor Bahru", "Melaka", "Kuala Lumpur")
NAMES = ("Anna", "Bob's", 'Eve "x"', "Ann: #1", "Yew Chuan")


def document(rng, number, part):
    # Codes of other parts have a figure that those of the training part have not.
    code = f"{rng.choice('ABC')}{rng.choice('XY')}-{rng.randrange(1000, 9999)}{8 if part == 'train' else 9}"
    day = f"{rng.randrange(1, 28)}/0{rng.randrange(1, 9)}/2026"
    cities = rng.sample(CITIES, rng.randrange(0, 3))
    moods = rng.sample(("glad", "angry", "calm", "sad", "odd"), 2)
    lines = [
        f"Dear {rng.choice(NAMES)},",
        f"order no. {code} of {rng.randrange(1, 28)}/01/2025 is {rng.choice(('late', 'fine'))}",
        f"deliver by {day} please",
        f"to {' and '.join(cities) or 'us'}",
        f"I was {moods[0]} and am {moods[1]}",
    ]
    labels = {"number": code, "wanted": day, "city": cities, "mood": rng.choice(moods)}
    if number % 7 == 0:
        lines[1] = "your order of last week is fine"
        del labels["number"]
    return {"id": f"{part}/{number}", "text": "\n".join(lines), "labels": labels}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    (path / "rules" / "orders").mkdir(parents=True)
    (path / "rules" / "orders" / "task.yaml").write_text(TASK, "utf-8")
    rng = random.Random(3)
    lines = [document(rng, number, "train" if number < 150 else "calibration") for number in range(190)]
    (path / "d.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    documents = read_dataset(path / "d.jsonl")
    parts = {
        part: {item.id: item.text_digest for item in documents if item.id.startswith(part)}
        for part in ("train", "calibration")
    }
    (path / "models" / "orders").mkdir(parents=True)
    split = {"task": "orders", "seed": 1, "parts": parts, "groups": {}, "about": {}}
    (path / "models" / "orders" / "split.json").write_text(json.dumps(split), "utf-8")
    return Home(path)


def draft(home, *more):
    command = ["--home", str(home.path), "rules", "draft", "orders", "--data", str(home.path / "d.jsonl")]
    return CliRunner().invoke(main, [*command, *map(str, more)])


@pytest.fixture(scope="module")
def drafted(home):
    result = draft(home)
    assert result.exit_code == 0, result.output
    return result


def test_the_files_pass_every_check_but_for_fields_without_rules(home, drafted):
    assert {(finding.code, finding.message.split()[0]) for finding in check_task(home.rules, "orders")} == {
        ("R023", "mood")
    }
    assert CliRunner().invoke(main, ["--home", str(home.path), "rules", "test", "orders"]).exit_code == 0
    assert "no rule for mood" in drafted.output


def test_the_rules_answer_unseen_documents_as_precisely_as_stated(home, drafted):
    task = home.task("orders")
    calibration = Split.load(home.models / "orders" / "split.json").select(
        read_dataset(home.path / "d.jsonl"), "calibration"
    )
    figures = measure(RulesTier.load(home.rules, task), calibration)
    for name in ("number", "wanted", "city"):
        best = figures[name].best
        assert best.found > 20
        assert best.precision > 0.95, name
    assert not figures["mood"].best.found


def test_every_rule_says_what_it_rests_on(home, drafted):
    for name in ("number", "wanted", "city"):
        text = (home.rules / "orders" / f"{name}.yaml").read_text("utf-8")
        rules = yaml.safe_load(text)["rules"]
        assert text.count("# From ") == len(rules)
        for rule in rules:
            assert rule["precision"] > 0.9
            assert rule["description"]
            assert {example["value"] is None for example in rule["examples"]} >= {False}
    wanted = yaml.safe_load((home.rules / "orders" / "wanted.yaml").read_text("utf-8"))
    # There are two dates in most texts: only context tells.
    assert all("by" in str(rule) or "deliver" in str(rule) for rule in wanted["rules"])


def test_nothing_of_other_parts_stands_in_the_files(home, drafted):
    held_out = [item.labels.get("number", "") for item in read_dataset(home.path / "d.jsonl") if "cal" in item.id]
    for path in (home.rules / "orders").iterdir():
        assert not any(code and code in path.read_text("utf-8") for code in held_out)
    for part in ("calibration", "validation-seen"):
        refused = draft(home, "--part", part, "--force")
        assert refused.exit_code == 2
        assert "error[invalid-request]" in refused.output


def test_files_that_people_edited_are_not_replaced(home, drafted):
    path = home.rules / "orders" / "wanted.yaml"
    before = path.read_text("utf-8")
    result = draft(home)
    assert (result.exit_code, "error[already-there]" in result.output) == (2, True)
    path.write_text("edited", "utf-8")
    result = draft(home, "--fields", "wanted", "--force", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["written"] == [str(path)]
    # The same documents and the same seed make the same file, to the byte.
    assert path.read_text("utf-8") == before


def test_a_rule_must_reach_its_fields_quality_unless_less_is_asked_for(home, tmp_path):
    stricter = Home(tmp_path)
    (stricter.rules / "orders").mkdir(parents=True)
    text = TASK.replace("city: {type: text,", "city: {type: text, quality: 0.99,")
    (stricter.rules / "orders" / "task.yaml").write_text(text, "utf-8")
    (stricter.models / "orders").mkdir(parents=True)
    split = home.models / "orders" / "split.json"
    (stricter.models / "orders" / "split.json").write_bytes(split.read_bytes())
    (stricter.path / "d.jsonl").write_bytes((home.path / "d.jsonl").read_bytes())
    result = draft(stricter, "--fields", "city,wanted", "--out", tmp_path / "strict")
    assert result.exit_code == 0, result.output
    # 150 documents cannot show a precision of .99 with 95 % confidence, however right the rule is.
    assert "no rule for city: none was right in 99 % of its answers" in result.output
    assert "precision is at least 0.9 with 95 %" in (tmp_path / "strict" / "wanted.yaml").read_text("utf-8")
    result = draft(stricter, "--fields", "city", "--precision", 0.9, "--out", tmp_path / "looser")
    assert result.exit_code == 0, result.output
    assert "precision is at least 0.9 with 95 %" in (tmp_path / "looser" / "city.yaml").read_text("utf-8")


def test_other_places_to_write_to_and_wrong_use(home, drafted, tmp_path):
    result = draft(home, "--fields", "wanted", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert load_task(tmp_path / "out" / "task.yaml").name == "orders"
    assert (tmp_path / "out" / "wanted.yaml").is_file()
    assert "error[unknown-field]" in draft(home, "--fields", "sum", "--force").output


def test_too_few_documents_give_no_rule_rather_than_a_doubtful_one(home):
    task = home.task("orders")
    documents = read_dataset(home.path / "d.jsonl")[:25]
    written = draft_rules(home.rules, task, documents, ["wanted"])
    assert written["wanted"].rules == ()
    # What 25 right answers do show is a precision of .88, not of .9.
    looser = draft_field(
        field_corpus(documents, task, "wanted"),
        make_folds([item.text for item in documents], 5, 1),
        library_of(home.rules),
        Demand(0.8),
    )
    assert looser.rules


@pytest.mark.parametrize("content", ["", "a: [", "recognisers: 3", "recognisers: {x: {pattern: '('}}"])
def test_a_library_that_is_wrong_is_left_out(home, tmp_path, content):
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "a.yaml").write_text(content, "utf-8")
    assert "date" in library_of(tmp_path)


def test_a_task_without_a_split_gets_one_first(home, tmp_path):
    copy = Home(tmp_path)
    (copy.rules / "orders").mkdir(parents=True)
    (copy.rules / "orders" / "task.yaml").write_text(TASK, "utf-8")
    (tmp_path / "d.jsonl").write_bytes((home.path / "d.jsonl").read_bytes())
    result = draft(copy, "--fields", "wanted", "--precision", "0.7")
    assert result.exit_code == 0, result.output
    assert "split.json: written" in result.output
    split = Split.load(copy.models / "orders" / "split.json")
    assert f"{len(split.parts['train'])} documents of the part train" in result.output
    held_out = {identifier for part, ids in split.parts.items() if part != "train" for identifier in ids}
    texts = [item.text for item in read_dataset(tmp_path / "d.jsonl") if item.id in held_out]
    rules = yaml.safe_load((copy.rules / "orders" / "wanted.yaml").read_text("utf-8"))["rules"]
    for rule in rules:
        for example in rule["examples"]:
            dated = example["text"] if "deliver by" in example["text"] else None
            assert (
                dated is None
                or not any(dated in text for text in texts)
                or any(
                    dated in item.text for item in read_dataset(tmp_path / "d.jsonl") if item.id in split.parts["train"]
                )
            )
