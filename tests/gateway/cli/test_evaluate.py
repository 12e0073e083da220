import csv
import json

import pytest

from gateway.evaluation.dataset import file_digest, text_digest

DOCUMENTS = [
    {"id": "a", "text": "TOTAL 9.00 pen", "labels": {"total": "9.00", "item": ["pen"]}},
    {"id": "b", "text": "TOTAL 7.00 ink", "labels": {"total": "RM 7.00", "item": ["ink"]}},
    {"id": "c", "text": "SUM 5.00", "labels": {"total": "5.00", "item": []}},
    {"id": "d", "text": "TOTAL 1.00 pen ink", "labels": {"total": "1.00", "item": ["pen", "ink"]}},
]


@pytest.fixture
def data(json_lines):
    return json_lines(*DOCUMENTS)


@pytest.fixture
def split(home):
    def part(*numbers):
        return {DOCUMENTS[number]["id"]: text_digest(DOCUMENTS[number]["text"]) for number in numbers}

    path = home / "models" / "notes" / "split.json"
    path.parent.mkdir(exist_ok=True)
    parts = {"train": part(0), "development": {}, "calibration": part(3), "validation": part(1, 2)}
    path.write_text(
        json.dumps({"task": "notes", "seed": 1, "parts": parts, "groups": {"b": 1, "c": 2}, "about": {}}), "utf-8"
    )
    return path


def test_all_systems_with_figures_on_file_and_tables_on_the_screen(cascade, models, policy, data, split, tmp_path):
    models()
    out = tmp_path / "out.json"
    result = cascade("eval", "notes", data, "--part", "validation", "--json", out)
    assert result.exit_code == 0, result.output
    report = json.loads(out.read_text("utf-8"))
    assert report["task"] == "notes"
    assert report["quality"] == 0.9
    assert report["data"] == {
        "path": str(data),
        "part": "validation",
        "documents": 2,
        "groups": 2,
        "annotated": {"total": 2, "item": 2},
    }
    assert list(report["systems"]) == ["rules", "student", "large", "cascade"]
    large = report["systems"]["large"]["scores"]["normalised"]["fields"]["item"]
    assert (large["true_positives"], large["false_positives"], large["false_negatives"]) == (1, 0, 0)
    cascade_total = report["systems"]["cascade"]["scores"]["strict"]["fields"]["total"]
    assert (cascade_total["true_positives"], cascade_total["false_positives"]) == (0, 1)
    assert report["systems"]["cascade"]["decisions"]["accepted"] == 2
    assert report["comparison"]["s"]["value"] == pytest.approx(0.1)
    assert report["comparison"]["p"]["value"] == 1.0
    assert report["notes"] == []
    assert report["bootstrap"] == {"resamples": 2000, "level": 0.95, "seed": 0}
    provenance = report["provenance"]
    assert set(provenance["digests"]) == {"data", "split", "rules", "student", "large", "policy"}
    assert provenance["digests"]["data"] == f"sha256:{file_digest(data)}"
    assert provenance["modes"] == {"large": "int8"}
    assert provenance["hardware"]["cores"] >= 1
    assert {"python", "gateway", "onnxruntime"} <= set(provenance["versions"])
    assert provenance["date"].startswith("20")
    for shown in (
        "part validation: 2 documents in 2 groups",
        "cascade",
        "s, student's cost relative to large",
        "10.0 %",
    ):
        assert shown in result.stdout


def keys_of(value):
    """All keys of nested objects but those that are names of fields, tiers, systems and packages."""
    for key, inner in value.items():
        if key in ("fields", "by_field", "by_tier", "systems", "annotated", "requests"):
            yield key
            for one in inner.values():
                yield from keys_of(one) if isinstance(one, dict) else ()
        elif key in ("versions", "digests", "modes"):
            yield key
        else:
            yield key
            yield from keys_of(inner) if isinstance(inner, dict) else ()


def test_every_key_of_the_json_is_documented(cascade, models, policy, data, split, project_root):
    models()
    report = json.loads(cascade("eval", "notes", data, "--part", "validation", "--json", "-").stdout)
    page = (project_root / "docs" / "evaluation.md").read_text("utf-8")
    own = {"total", "item", "rules", "student", "large", "cascade"}
    missing = {key for key in keys_of(report) if f"`{key}`" not in page} - own
    assert not missing


def test_figures_on_standard_output(cascade, models, policy, data, split):
    models()
    result = cascade("eval", "notes", data, "--part", "validation", "--systems", "cascade,rules", "--json", "-")
    assert list(json.loads(result.stdout)["systems"]) == ["rules", "cascade"]


def test_quality_and_limit(cascade, models, policy, data, split):
    models()
    arguments = ("--part", "validation", "--systems", "cascade", "--quality", "0.95", "--limit", "1", "--json", "-")
    report = json.loads(cascade("eval", "notes", data, *arguments).stdout)
    assert report["quality"] == 0.95
    assert set(report["quality_by_field"].values()) == {0.95}
    assert report["data"]["documents"] == 1
    assert report["systems"]["cascade"]["decisions"]["accepted"] == 0
    assert any("quality 0.95 for total, 0.95 for item" in note for note in report["notes"])


@pytest.mark.parametrize("part", [[], ["--part", "train"]])
def test_what_was_trained_on_is_refused_unless_allowed(cascade, models, policy, data, split, part):
    models()
    result = cascade("eval", "notes", data, *part)
    assert result.exit_code == 2
    assert "error[seen-documents]" in result.stderr
    result = cascade("eval", "notes", data, *part, "--allow-seen")
    assert result.exit_code == 0
    assert "1 of these documents were used to train this task" in result.stdout


def test_calibration_is_allowed_with_a_note(cascade, models, policy, data, split):
    models()
    result = cascade("eval", "notes", data, "--part", "calibration")
    assert result.exit_code == 0
    assert "on which thresholds were chosen" in result.stdout


def test_a_task_without_split_policy_or_models(cascade, data):
    result = cascade("eval", "notes", data)
    assert result.exit_code == 0
    for shown in ("student: not run (", "large: not run (", "no split.json", "no policy at"):
        assert result.stdout.count(shown) == 1, shown
    named = cascade("eval", "notes", data, "--systems", "rules,large")
    assert named.exit_code == 1
    assert "large: not run (" in named.stdout


def test_a_document_that_fails_is_named_and_counts_as_nothing_found(cascade, models, policy, json_lines):
    models()
    path = json_lines(*DOCUMENTS, {"id": "broken", "text": "BREAK large", "labels": {"item": ["pen"]}})
    result = cascade("eval", "notes", path, "--systems", "large")
    assert result.exit_code == 1
    assert "large: 1 of 5 documents failed and count as nothing found; the first, broken:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "DATA"], "unknown-task"),
        (["notes", "none.jsonl"], "no such data file"),
        (["notes", "DATA", "--part", "test"], "no part"),
        (
            ["notes", "DATA", "--part", "validation", "--systems", "oracle"],
            "expected some of rules, student, large, cascade",
        ),
        (["notes", "DATA", "--part", "validation", "--systems", ","], "found nothing"),
        (["notes", "DATA", "--quality", "2"], "--quality"),
        (["notes", "DATA", "--limit", "0"], "--limit"),
        (["notes", "DATA", "--json", "."], "--json"),
        (["notes"], "DATA"),
    ],
)
def test_wrong_use(cascade, data, split, arguments, said):
    result = cascade("eval", *[str(data) if argument == "DATA" else argument for argument in arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "data.jsonl:2: not JSON"),
        (b"\xff", "data.jsonl:2: not UTF-8"),
        ({"id": "x", "text": "y", "labels": {"total": 9}}, 'label "total"'),
        ({"id": "x", "text": "y", "labels": {"total": ["9", "8"]}}, "many: true"),
        ({"id": "x", "text": "y", "context": 5}, '"context"'),
        ({"id": "a", "text": "y"}, "stands twice"),
    ],
)
def test_bad_data(cascade, json_lines, line, said):
    result = cascade("eval", "notes", json_lines(DOCUMENTS[0], line))
    assert result.exit_code == 2
    assert said in result.stderr


def test_data_without_labels(cascade, json_lines):
    result = cascade("eval", "notes", json_lines({"id": "a", "text": "x", "labels": {"other": "y"}}))
    assert result.exit_code == 2
    assert "no document has a label" in result.stderr


def test_curve_and_reliability_lie_in_the_home_or_where_they_are_wanted(
    cascade, models, policy, data, split, home, tmp_path
):
    models()
    result = cascade("eval", "notes", data, "--part", "validation")
    directory = home / ".cascade" / "figures" / "notes" / "validation"
    assert f"{directory}: curve.csv, reliability.csv" in result.stderr
    with (directory / "curve.csv").open(encoding="utf-8") as stream:
        points = {(row["kind"], row["name"]): row for row in csv.DictReader(stream)}
    assert {"rules", "student", "large"} <= {name for kind, name in points if kind == "tier"}
    assert points["target", "0.9"]["certified"] == "true"
    # Rules cost what they took; the large tier is the measure of all.
    assert float(points["tier", "large"]["cost"]) == 1.0
    assert float(points["tier", "student"]["cost"]) == pytest.approx(0.1)
    assert ("oracle", "oracle") in points
    chosen = tmp_path / "charts"
    cascade("eval", "notes", data, "--part", "validation", "--systems", "rules,cascade", "--charts", chosen)
    with (chosen / "curve.csv").open(encoding="utf-8") as stream:
        assert {row["name"] for row in csv.DictReader(stream) if row["kind"] == "tier"} == {"rules"}


def test_without_matplotlib_the_tables_are_written_and_it_is_said_what_to_install(
    cascade, models, policy, data, split, tmp_path, monkeypatch
):
    models()
    monkeypatch.setattr("gateway.evaluation.charts.can_draw", lambda: False)
    result = cascade("eval", "notes", data, "--part", "validation", "--charts", tmp_path / "c")
    assert result.exit_code == 0
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"curve.csv", "reliability.csv"}
    assert "pip install 'cascade-gateway[train]'" in result.stderr


def test_charts_that_cannot_be_written_are_an_error_only_where_they_were_asked_for(
    cascade, models, policy, data, split, home, tmp_path
):
    models()
    (tmp_path / "file").write_text("")
    named = cascade("eval", "notes", data, "--part", "validation", "--charts", tmp_path / "file" / "charts")
    assert named.exit_code == 1
    (home / ".cascade").write_text("")
    result = cascade("eval", "notes", data, "--part", "validation")
    assert result.exit_code == 0
    for one in (named, result):
        assert "charts could not be written" in one.stderr
        assert "cascade" in one.stdout
