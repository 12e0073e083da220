"""What becomes of certificates when what they were measured with changes, as a client of the service sees it."""

import re
from dataclasses import replace

import pytest

from gateway.cli.serve import announcement
from gateway.home import Home
from gateway.policy import AbsentThreshold, Policy, Threshold, all_chains, chain_name
from gateway.settings import Settings
from gateway.tiers.rules.tier import RulesTier
from gateway.trust import field_identities

TASK = """\
task: bills
quality: 0.9
fields:
  shop: {type: text}
  total: {type: money}
"""
RULES = """\
field: total
rules:
  - id: after-total
    kind: anchor
    label: 'TOTAL'
    value: '\\d+\\.\\d\\d'
    precision: 0.95
"""
BILL = "Shop: Melur\nTotal: 9.00\n"
EASY = Threshold(0.5, True, 90, 1, 100, 0.05)


@pytest.fixture
def home(tmp_path):
    """A home of its own for each test; the models of the fixture ``serve`` run as int8."""
    rules = tmp_path / "rules" / "bills"
    rules.mkdir(parents=True)
    (rules / "task.yaml").write_text(TASK)
    (rules / "total.yaml").write_text(RULES)
    return Home(tmp_path)


@pytest.fixture
def calibrated(home):
    """Writes the policy that a calibration of the home as it is now would make; gives it back."""

    def write(**changes):
        rules = RulesTier.load(home.rules, home.task("bills"))
        policy = Policy(
            "bills",
            thresholds={chain_name(chain): {name: {0.9: EASY} for name in ("shop", "total")} for chain in all_chains()},
            versions={
                "rules": dict(rules.field_versions),
                "student": "student-1",
                "large": "large-1",
                "fields": field_identities(home.task("bills")),
                "modes": {"student": "int8", "large": "int8"},
            },
        )
        policy = replace(policy, **changes)
        policy.save(home.models / "bills" / "policy.json")
        return policy

    return write


def problems(service):
    return service.client.get("/readyz").json()["tasks"]["bills"]["problems"]


def fields(service, **more):
    return service.extract(BILL, **more).json()["fields"]


def test_as_calibrated_there_is_nothing_to_say(serve, calibrated):
    calibrated()
    service = serve()
    assert problems(service) == []
    assert {name: found["guarantee"] for name, found in fields(service).items()} == {"shop": 0.9, "total": 0.9}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{type: money}", "{type: number}", "type money"),
        ("{type: money}", "{type: money, many: true}", "many false"),
        ("{type: money}", "{type: money, null_means: unannotated}", "null_means absent"),
        ("quality: 0.9", "quality: 0.9\ndecimal: ','", "decimal ."),
    ],
)
def test_a_field_that_is_another_one_is_accepted_from_no_tier(serve, calibrated, home, before, after, said):
    calibrated()
    path = home.rules / "bills" / "task.yaml"
    path.write_text(path.read_text().replace(before, after))
    service = serve()
    assert any(re.match(rf"field total: .*{re.escape(said)}.*cascade calibrate", text) for text in problems(service))
    found = fields(service)
    assert (found["total"]["state"], found["total"]["guarantee"]) == ("review", None)
    assert (found["shop"]["state"], found["shop"]["guarantee"]) == ("accepted", 0.9)


def test_tiers_that_certify_too_little_for_a_field_are_noted_and_degrade_nothing(serve, calibrated, home):
    thresholds = {chain_name(chain): {"shop": {0.9: EASY}, "total": {0.9: EASY}} for chain in all_chains()}
    low = {"shop": {0.8: EASY, 0.9: replace(EASY, certified=False)}, "total": {0.9: EASY}}
    calibrated(thresholds={**thresholds, "rules+student": low})
    assert tiers_note(serve()) == []
    path = home.rules / "bills" / "task.yaml"
    path.write_text(path.read_text() + "tiers: [rules, student]\n")
    service = serve()
    note = "shop: no target of 0.9 or more is certified for rules+student; its answers stay in review"
    assert (tiers_note(service), problems(service)) == ([note], [])
    assert {name: found["state"] for name, found in fields(service).items()} == {"shop": "review", "total": "accepted"}
    assert f"  note    {note}" in announcement(home, service.engine, Settings(), 8000).splitlines()


def tiers_note(service):
    report = service.client.get("/readyz").json()
    assert report["status"] == "ready"
    return [note for note in report["tasks"]["bills"]["notes"] if "certified" in note]


def test_options_concern_the_fields_that_are_read_with_them(serve, calibrated, home):
    calibrated()
    path = home.rules / "bills" / "task.yaml"
    path.write_text(path.read_text() + "day_first: false\ndescription: other words\n")
    service = serve()
    assert not any(text.startswith("field ") for text in problems(service))
    assert fields(service)["shop"]["guarantee"] == 0.9


def test_labels_that_mean_something_else_concern_all_fields(serve, calibrated, home):
    calibrated()
    path = home.rules / "bills" / "task.yaml"
    path.write_text(path.read_text() + "closed_labels: true\n")
    service = serve()
    assert {found["state"] for found in fields(service).values()} == {"review"}
    response = service.extract(BILL, strict_quality=True, quality=0.9)
    assert response.json()["error"]["code"] == "not-certified"


def test_a_policy_that_keeps_nothing_of_its_fields_is_taken_at_its_word(serve, calibrated, home):
    policy = calibrated()
    kept = {part: found for part, found in policy.versions.items() if part not in ("fields", "modes")}
    calibrated(versions=kept)
    service = serve()
    assert problems(service) == []
    assert fields(service)["total"]["guarantee"] == 0.9


def test_a_policy_calibrated_on_what_was_seen_accepts_nothing_and_says_so(serve, calibrated):
    also_absent = replace(EASY, absent=AbsentThreshold(0.0, 90, 1, 0.05))
    tables = {chain_name(chain): {name: {0.9: also_absent} for name in ("shop", "total")} for chain in all_chains()}
    calibrated(thresholds=tables, about={"part": "train", "seen_allowed": True})
    service = serve()
    [problem] = problems(service)
    assert "--allow-seen" in problem
    described = service.client.get("/v1/tasks/bills").json()
    assert described["problems"] == [problem]
    assert {targets for found in described["certified"].values() for targets in map(tuple, found.values())} == {()}
    assert service.client.get("/readyz").json()["status"] == "degraded"
    # It still tells which answers are worth asking the next tier about.
    answer = service.extract(BILL, max_tier="student").json()
    assert answer["tiers"] == ["rules", "student"]
    assert {(found["state"], found["guarantee"]) for found in answer["fields"].values()} == {("review", None)}
    assert service.extract(BILL, strict_quality=True).json()["error"]["code"] == "not-certified"
    calibrated(about={"part": "calibration", "seen_allowed": False})
    assert problems(serve()) == []


def test_a_part_of_a_policy_that_was_calibrated_on_what_was_seen_is_void_by_itself(serve, calibrated):
    policy = calibrated()
    other = {**policy.versions, "modes": {"student": "int8", "large": "fp32"}, "large": "large-fp32"}
    calibrated(versions=other, variants=(replace(policy, about={"seen_allowed": True}),))
    service = serve()
    assert any("--allow-seen" in problem for problem in problems(service))
    assert fields(service)["shop"]["guarantee"] is None
    # The other way round nothing concerns the models that are there.
    calibrated(variants=(replace(policy, about={"seen_allowed": True}, versions=other),))
    service = serve()
    assert problems(service) == []
    assert fields(service)["shop"]["guarantee"] == 0.9


def test_a_tier_in_another_numeric_mode_is_another_tier(serve, calibrated):
    policy = calibrated()
    calibrated(versions={**policy.versions, "modes": {"student": "fp32", "large": "int8"}})
    service = serve()
    [problem] = problems(service)
    assert problem.startswith("student: not the model")
    assert "ran as fp32, this one runs as int8" in problem
    # The large tier, whose mode is as it was, still answers.
    assert (fields(service)["shop"]["tier"], fields(service)["shop"]["guarantee"]) == ("large", 0.9)


def test_a_policy_may_hold_several_modes(serve, calibrated):
    policy = calibrated()
    other = {**policy.versions, "modes": {"student": "int8", "large": "fp32"}, "large": "large-fp32"}
    here = replace(policy, thresholds={chain: {"shop": {0.95: EASY}} for chain in policy.thresholds})
    calibrated(versions=other, variants=(here,))
    service = serve()
    assert problems(service) == []
    assert fields(service, quality=0.95)["shop"]["guarantee"] == 0.95
    assert service.client.get("/v1/tasks/bills").json()["certified"]["student"] == {"shop": [0.95]}


def test_an_edited_rule_leads_to_the_chain_without_rules_and_its_own_certificate(serve, calibrated, home):
    strict = replace(EASY, value=0.999)
    tables = {
        chain_name(chain): {"shop": {0.9: EASY}, "total": {0.9: strict if "rules" in chain else EASY}}
        for chain in all_chains()
    }
    calibrated(thresholds=tables)
    before = fields(serve())["total"]
    assert (before["state"], before["guarantee"]) == ("review", None)
    path = home.rules / "bills" / "total.yaml"
    path.write_text(path.read_text().replace("'TOTAL'", "'GRAND TOTAL'"))
    service = serve()
    assert any(text.startswith("rules of total: changed") for text in problems(service))
    answer = service.extract(BILL, explain=True).json()
    total = answer["fields"]["total"]
    assert (total["state"], total["tier"], total["guarantee"]) == ("accepted", "student", 0.9)
    assert answer["explanation"]["total"]["chain"] == ["student", "large"]
    # Without a certificate of its own the chain without rules promises nothing.
    calibrated()
    tables = {chain: named for chain, named in tables.items() if chain != "student+large"}
    edited = path.read_text()
    path.write_text(RULES)
    calibrated(thresholds=tables)
    path.write_text(edited)
    assert fields(serve())["total"]["guarantee"] is None
