"""Which candidates become rules: precise with stated confidence on unseen documents, and each adding answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.evaluation.bounds import clopper_pearson_upper
from training.drafting.scoring import Score, most_late

#: A further rule must give so many right answers that those before it do not.
LEAST_NEW = 3
#: ... or this share of the documents' values, whichever is more.
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Demand:
    """What a rule must hold: its precision is at least ``precision`` with this one-sided ``confidence``."""

    precision: float = 0.9
    confidence: float = 0.95

    def lower_bound(self, right: int, found: int) -> float:
        """The exact lower bound of a precision (Clopper and Pearson 1934), answers taken as independent."""
        return 0.0 if not found else 1.0 - clopper_pearson_upper(found - right, found, 1.0 - self.confidence)


@dataclass(frozen=True)
class Selected:
    """A chosen candidate: its figures alone, and how many right answers it added when it was chosen."""

    key: str
    found: int
    right: int
    lower_bound: float
    added: int

    @property
    def precision(self) -> float:
        """(right + ½) / (found + 1), which does not call a few right answers certain."""
        return (self.right + 0.5) / (self.found + 1)


@dataclass(frozen=True)
class Figures:
    """How a list of rules answers: values expected, values given, and those right."""

    expected: int
    answered: int
    right: int


def select(
    scores: Mapping[str, Score],
    documents: Sequence[int],
    demand: Demand,
    *,
    many: bool,
    most: int,
    least_new: int = LEAST_NEW,
) -> list[Selected]:
    """Greedy set cover: the rule that adds most right answers, again and again; the most precise come first.

    Args:
        scores: answers on documents that the candidates were not made from.
        documents: the numbers of those that count.
        demand: what each rule must hold, and, without confidence, where the rules before it give nothing.
        many: whether all answers of a document count or only the first rule's first.
        most: the most rules.
        least_new: the fewest right answers a rule must add.

    Ties go to the candidate with the higher bound, then the shorter key, so that the result is the same every time.
    """
    counted = set(documents)
    pool: list[tuple[str, dict[int, tuple[tuple[str, ...], tuple[str, ...]]], int, int, float]] = []
    for key, score in scores.items():
        answers = {number: (a.values, a.right) for number, a in score.answers.items() if number in counted}
        found, right = sum(len(a[0]) for a in answers.values()), sum(len(a[1]) for a in answers.values())
        bound = demand.lower_bound(right, found) if right >= demand.precision * found else 0.0
        if bound >= demand.precision and score.late <= most_late(len(counted)):
            pool.append((key, answers, found, right, bound))
    taken: set[tuple[int, str]] = set()
    answered: set[int] = set()
    chosen: list[Selected] = []
    while pool and len(chosen) < most:
        best: tuple[int, float, int, str] | None = None
        best_item = None
        for item in pool:
            key, answers, found, right, bound = item
            new = new_right = 0
            for number, (values, rights) in answers.items():
                if many:
                    new += sum((number, value) not in taken for value in values)
                    new_right += sum((number, value) not in taken for value in rights)
                elif number not in answered:
                    new += len(values)
                    new_right += len(rights)
            if new_right < least_new or new_right < demand.precision * new:
                continue
            rank = new_right, bound, -len(key), key
            if best is None or rank > best:
                best, best_item = rank, item
        if best is None or best_item is None:
            break
        key, answers, found, right, bound = best_item
        chosen.append(Selected(key, found, right, bound, best[0]))
        pool.remove(best_item)
        for number, (values, _) in answers.items():
            answered.add(number)
            taken.update((number, value) for value in values)
    return sorted(chosen, key=lambda item: (-item.precision, item.key))


def apply(
    keys: Sequence[str], scores: Mapping[str, Score], wanted: Mapping[int, frozenset[str]], *, many: bool
) -> Figures:
    """How rules in this order answer documents: of a single field the first rule that finds something decides."""
    expected = answered = right = 0
    for number, values in wanted.items():
        expected += len(values)
        found = [scores[key].answers[number] for key in keys if key in scores and number in scores[key].answers]
        if many:
            items = {value for answer in found for value in answer.values}
            answered += len(items)
            right += len(items & values)
        elif found:
            answered += 1
            right += len(found[0].right)
    return Figures(expected, answered, right)


def least_new(valued: int) -> int:
    """The fewest right answers that a rule must add, for a field with values in so many documents."""
    return max(LEAST_NEW, round(_LEAST_SHARE * valued))
