"""With the prefilter and without it, rules find the same."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.document import Document
from gateway.errors import RuleFileError
from gateway.evaluation.dataset import read_dataset
from gateway.evaluation.split import Split
from gateway.home import Home
from gateway.task import FieldSpec, TaskSpec
from gateway.tiers.rules import RulesTier, TimeLimits, load_rules
from tests.gateway.tiers.rules.conftest import Bench

#: What is found is compared, not how fast this machine is.
LIMITS = TimeLimits(1.0, 10.0)
TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "total": FieldSpec("total", "money", many=True)})

PARTS = st.sampled_from(
    ["TOTAL", r"TOTAL\s+DUE", r"(?:SUB)?TOTAL", "(?:TOTAL DUE){e<=1}", r"\d+\.\d\d", r"\w+", "TEA|CAKE",
     r"(?<=RM\s?)\d+", "(?!TEA)CAKE", r"^\W*SHOP", r"PAID \K\d+", "", r"[A-Z]{3}-\d{4}", r"\S.*"]
)  # fmt: skip
PATTERNS = st.lists(PARTS, min_size=1, max_size=2).map("".join).filter(bool)
WHERE = st.fixed_dictionaries(
    {},
    optional={
        "after": PATTERNS,
        "before": PATTERNS,
        "lines": st.sampled_from([{"first": 2}, {"last": 1}]),
        "require": st.fixed_dictionaries({}, optional={"line": PATTERNS, "document": PATTERNS, "previous": PATTERNS}),
        "forbid": st.fixed_dictionaries({}, optional={"value": PATTERNS, "document": PATTERNS, "next": PATTERNS}),
        "priority": st.integers(0, 2),
    },
)
KINDS = st.one_of(
    st.fixed_dictionaries({"kind": st.just("pattern"), "pattern": PATTERNS}),
    st.fixed_dictionaries(
        {"kind": st.just("anchor"), "label": PATTERNS},
        optional={"value": PATTERNS, "reach": st.integers(0, 2), "between": PATTERNS},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("position"), "lines": st.just({"first": 3})}, optional={"pattern": PATTERNS, "skip": PATTERNS}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("block"), "start": PATTERNS},
        optional={"until": PATTERNS, "stop": PATTERNS, "contain": PATTERNS},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("lookup"), "file": st.just("shops.csv"), "lines": st.just({"first": 3})},
        optional={"fuzzy": st.just(80.0), "cut": PATTERNS, "span": st.integers(1, 2)},
    ),
)
RULES = st.lists(st.tuples(KINDS, WHERE).map(lambda pair: {**pair[1], **pair[0]}), min_size=1, max_size=6)
TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            ["TOTAL", "Total  due", "T0TAL DUE", "subtotal", "9.00", "RM 12", "tea", "Cake", "SHOP ONE", "PAID 7", "x",
             "ABC-1234", "  ", "Größe"]
        ),
        max_size=4,
    ).map(" ".join),
    max_size=6,
).map("\n".join)  # fmt: skip


def results(tier: RulesTier, text: str) -> Any:
    fields = list(TASK.fields) if tier.rules.task is TASK else list(tier.rules.task.fields)
    [output] = tier.propose([Document(text)], fields)
    traced = tier.trace(Document(text), fields)
    runs = {
        name: [(run.rule.source, run.outcome, list(run.candidates)) for run in found] for name, found in traced.items()
    }
    return output.proposals, output.timed_out, runs


@settings(max_examples=120)
@given(RULES, RULES, st.lists(TEXTS, min_size=1, max_size=4))
def test_any_rules_find_the_same_in_any_text(
    shop: list[dict[str, Any]], total: list[dict[str, Any]], texts: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "bills").mkdir()
        (path / "bills" / "shops.csv").write_text("text\nSHOP ONE\nTEA CAKE\n")
        for name, rules in (("shop", shop), ("total", total)):
            named = [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]
            if len(named) > 1:
                named.append({"id": "agreed", "kind": "agreement", "priority": 9})
            (path / "bills" / f"{name}.yaml").write_text(json.dumps({"field": name, "rules": named}))
        try:
            loaded = load_rules(path, TASK)
        except RuleFileError:
            return
    quick = RulesTier(loaded, limits=LIMITS)
    plain = RulesTier(loaded, limits=LIMITS, prefilter=False)
    for text in texts:
        assert results(quick, text) == results(plain, text)


def test_unless_and_agreements_see_the_same(project_home: Home, project_root: Path, shared_data: Path) -> None:
    """The shipped receipts rules on all documents of the train part."""
    task = project_home.task("receipts")
    loaded = load_rules(project_home.rules, task)
    quick, plain = RulesTier(loaded, limits=LIMITS), RulesTier(loaded, limits=LIMITS, prefilter=False)
    split = Split.load(project_root / "models" / "receipts" / "split.json")
    documents = split.select(read_dataset(shared_data / "receipts" / "train.jsonl"), "train")
    assert len(documents) > 100
    for document in documents:
        assert results(quick, document.text) == results(plain, document.text)


def test_a_search_for_the_best_match_begins_where_it_likes(bench: Bench) -> None:
    bench.rules("items", "- {id: fuzzy, kind: pattern, pattern: '(?b)invoice (?P<value>(?:number){e<=2})'}")
    text = Document("invoice nmber invoice number")
    tiers = [bench.load(prefilter=on) for on in (True, False)]
    with_filter, without = (tier.propose([text], ["items"])[0].proposals for tier in tiers)
    assert with_filter == without
