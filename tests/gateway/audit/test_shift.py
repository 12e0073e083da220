from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.conformal import Ranking, log_rank_bets
from gateway.audit.database import Database
from gateway.audit.evidence import Alarm, log_entry_share
from gateway.audit.reference import Reference, reference_of
from gateway.audit.shift import Shift, shift_standings, take
from gateway.audit.signals import SIGNALS, Vocabulary, comparable, signals_of
from gateway.cascade import Evidence as FieldEvidence
from gateway.cascade import Extraction, FieldResult
from gateway.document import Candidate
from gateway.errors import PolicyError
from gateway.task import FieldSpec, TaskSpec

FOUND = (Candidate("9.00", "9.00", "9.00", ((0, 4),), 0.9, "total/x"),)


def extraction(state: str = "accepted", confidence: float = 0.97) -> Extraction:
    result = FieldResult(state, FOUND, "rules", confidence, 0.9)  # type: ignore[arg-type]
    evidence = {"total": FieldEvidence(("rules",), {"rules": ()}, ())}
    return Extraction({"total": result}, "complete", ("rules",), (), {}, {}, evidence)


def test_each_bettors_density_has_the_mean_one() -> None:
    # With p = u⁸ the integral over p becomes one of f(u⁸)·8u⁷, without the peak at 0; the others are their mirrors.
    points = (np.arange(20_000) + 0.5) / 20_000
    low = [np.exp(log_rank_bets(float(u**8)))[:3] * 8 * u**7 for u in points]
    assert np.mean(low, axis=0) == pytest.approx(np.ones(3), abs=1e-3)
    for rank in (0.1, 0.5, 0.9):
        assert log_rank_bets(rank)[3:] == pytest.approx(log_rank_bets(1 - rank)[:3])
    assert np.all(np.isfinite([log_rank_bets(0.0), log_rank_bets(1.0)]))


@given(st.dictionaries(st.integers(0, 5), st.integers(1, 5), min_size=1), st.integers(0, 6), st.floats(0, 0.999))
def test_ranks_lie_where_they_must(counts: dict[int, int], score: int, uniform: float) -> None:
    after = Ranking.start(counts).step(score, uniform)
    assert sum(after.counts.values()) == sum(counts.values()) + 1
    assert Ranking.from_json(json.loads(json.dumps(after.as_json()))) == after


def test_ranks_are_uniform_over_all_orders_of_the_documents() -> None:
    # Scores 0, 0, 1, 2 in every order, two of them the reference: the next rank falls into each part of [0, 1) equally.
    grid = [(index + 0.5) / 30 for index in range(30)]
    ranks: list[float] = []
    for order in itertools.permutations((0, 0, 1, 2)):
        before = order[:3]
        for uniform in grid:
            above = sum(score > order[3] for score in before)
            equal = sum(score == order[3] for score in before) + 1
            ranks.append((above + uniform * equal) / 4)
    share = np.histogram(ranks, bins=4, range=(0, 1))[0] / len(ranks)
    assert share == pytest.approx([0.25] * 4, abs=0.02)


def simulate(shifted: bool, seed: int, documents: int = 300) -> int | None:
    source = random.Random(seed)
    counts: dict[int, int] = {}
    for _ in range(100):
        score = min(8, int(source.expovariate(0.5)))
        counts[score] = counts.get(score, 0) + 1
    ranking = Ranking.start(counts)
    for number in range(1, documents + 1):
        score = min(8, int(source.expovariate(0.2 if shifted and number > 50 else 0.5)))
        ranking = ranking.step(score, source.random())
        if Alarm(0.05).raised(ranking.evidence):
            return number
    return None


def test_false_alarms_are_rare_and_shifts_are_noticed() -> None:
    runs = 200
    false = sum(simulate(False, seed) is not None for seed in range(runs))
    assert false <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95)
    noticed = [simulate(True, seed) for seed in range(50)]
    assert sum(number is not None and number > 50 for number in noticed) >= 45


def test_no_signal_alone_and_not_all_together_raise_too_many_false_alarms() -> None:
    # Signals that are one and the same: their mean would do no harm. Independent ones: the union bound is nearly exact.
    runs, documents = 60, 60
    counts = dict.fromkeys(range(8), 10)
    for copies in (True, False):
        false = 0
        for seed in range(runs):
            source = random.Random(seed)
            shift = Shift({name: Ranking.start(counts) for name in SIGNALS})
            for _ in range(documents):
                same = source.randrange(8)
                signals = {name: same if copies else source.randrange(8) for name in SIGNALS}
                shift = shift.step(signals, source)
                if shift.raised(Alarm(0.2)):
                    false += 1
                    break
        assert false <= 0.2 * runs + 3 * math.sqrt(runs * 0.2 * 0.8)


def test_one_signal_needs_as_much_evidence_as_there_are_signals() -> None:
    source = random.Random(1)
    alone = Ranking.start({0: 100})
    shift = Shift({name: Ranking.start({0: 100}) for name in SIGNALS})
    while not Alarm(0.05 / len(SIGNALS)).raised(alone.evidence):
        assert not shift.raised(Alarm(0.05))
        alone = alone.step(5, uniform := source.random())
        rankings = {**shift.rankings, "digits": shift.rankings["digits"].step(5, uniform)}
        shift = Shift(rankings, shift.documents + 1)
    assert shift.raised(Alarm(0.05))
    assert shift.leading == "digits"


def test_what_is_staked_sums_up() -> None:
    assert sum(math.exp(log_entry_share(step)) for step in (1, 2, 3)) == pytest.approx(0.5 + 0.5 * (1 - 1 / 4))


# --- signals ---


def test_signals_of_a_text_and_its_answer() -> None:
    vocabulary = Vocabulary.of(["TOTAL BREAD", "milk"])
    signals = signals_of("Total 9.00\nKäse", extraction(), vocabulary)
    assert set(signals) == set(SIGNALS)
    assert signals["length"] == round(8 * math.log2(15))
    assert signals["unknown-words"] == round(64 * math.sqrt(1 / 2))
    assert signals["non-ascii"] == round(64 * math.sqrt(1 / 15))
    assert signals["rules-found"] == 0
    # Thresholds were chosen on the reference's documents: what they decide must not be compared.
    assert signals_of("Total 9.00\nKäse", extraction("review", 0.3), vocabulary) == signals


def test_only_answers_to_requests_for_all_fields_that_rules_took_part_in_are_compared() -> None:
    fields = {"total": FieldSpec("total", "money"), "shop": FieldSpec("shop", "text")}
    one, both = (
        extraction(),
        Extraction(dict.fromkeys(fields, extraction().fields["total"]), "complete", (), (), {}, {}),
    )
    ruled = replace(both, tiers=("rules", "student"))
    task = TaskSpec("bills", fields)
    assert [comparable(task, answer) for answer in (one, both, ruled)] == [False, False, True]
    assert comparable(TaskSpec("bills", fields, tiers=("student",)), both)


@given(st.text(max_size=200))
def test_any_text_has_signals(text: str) -> None:
    empty = Extraction({}, "complete", (), (), {}, {})
    assert all(isinstance(score, int) for score in signals_of(text, empty, Vocabulary()).values())


@given(st.lists(st.text(st.characters(categories=["Ll"]), min_size=3, max_size=8), max_size=20))
def test_a_vocabulary_knows_its_words_and_survives_writing(words: list[str]) -> None:
    vocabulary = Vocabulary.from_text(Vocabulary.of([" ".join(words)]).as_text())
    assert vocabulary.unknown_share(" ".join(words)) == 0


def test_no_vocabulary() -> None:
    for text in ("?", "aGVsbG8="):
        with pytest.raises(ValueError, match="vocabulary"):
            Vocabulary.from_text(text)


# --- reference and store ---


@pytest.fixture
def reference() -> Reference:
    texts = [f"TOTAL BREAD {number}.00" for number in range(60)]
    return reference_of("bills", [(text, extraction()) for text in texts], ["TOTAL BREAD"], promise="p")


def test_a_reference_survives_writing_and_a_damaged_one_is_named(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    assert Reference.load(path) is None
    reference.save(path)
    again = Reference.load(path)
    assert again is not None
    assert (again.signals, again.documents, again.promise) == (reference.signals, 60, "p")
    assert again.vocabulary.unknown_share("total rice") == 0.5
    assert "BREAD" not in path.read_text()
    for damage in (
        {"format": 1},
        {"signals": {}},
        {"vocabulary": "?"},
        {"agreement": {"total": {"rules@0.9": {"right": -1}}}},
    ):
        path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
        with pytest.raises(PolicyError, match="malformed"):
            Reference.load(path)
        reference.save(path)


def test_the_store_continues_the_test_and_says_once_that_traffic_changed(
    reference: Reference, database: Database
) -> None:
    same = [signals_of(f"TOTAL BREAD {number}.00", extraction(), reference.vocabulary) for number in range(60, 90)]
    other = [
        signals_of(f"Gesamt für Käse: {number},00 €", extraction("review", 0.2), reference.vocabulary)
        for number in range(30)
    ]
    assert take(database, reference, "p", same, Alarm(0.001), 1.0) is None
    noticed = take(database, reference, "p", other, Alarm(0.001), 2.0)
    assert noticed is not None
    assert (noticed.noticed_at, noticed.documents) == (2.0, 60)
    assert take(database, reference, "p", other, Alarm(0.001), 3.0) is None
    [standing] = shift_standings(database, "bills")
    assert (standing.noticed_at, standing.documents) == (2.0, 90)
    assert Shift.start(reference).raised(Alarm(0.001)) is False
