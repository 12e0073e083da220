"""Several simple candidates as one rule: contexts or shapes that are each too rare to be measured alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from training.drafting.candidate import Candidate
from training.drafting.expressions import MOST_CHARACTERS, either
from training.drafting.scoring import Score

#: A context takes part when it found something in so many documents that it was not made from, ...
_LEAST_FOUND = 2
_MOST_PARTS = 40


def join(
    candidates: Sequence[Candidate],
    scores: Mapping[str, Score],
    precision: float,
    without: frozenset[int] = frozenset(),
) -> list[Candidate]:
    """One candidate a family, of those members that were right often enough.

    Args:
        candidates: all that were proposed, of which those with a family count.
        scores: their answers on documents that they were not made from.
        precision: the least share of right answers of a member.
        without: documents whose answers may not count: the joined rule will be tried on them.
    """
    families: dict[str, list[tuple[Candidate, set[tuple[int, str]]]]] = defaultdict(list)
    for candidate in candidates:
        score = scores.get(candidate.key)
        if not candidate.family or score is None:
            continue
        answers = {number: answer for number, answer in score.answers.items() if number not in without}
        found = sum(len(answer.values) for answer in answers.values())
        right = {(number, value) for number, answer in answers.items() for value in answer.right}
        if found >= _LEAST_FOUND and len(right) >= precision * found:
            families[candidate.family].append((candidate, right))
    joined = []
    for family, members in sorted(families.items()):
        chosen = _covering(members)
        if len(chosen) > 1 and (made := _joined(family, chosen)) is not None:
            joined.append(made)
    return joined


def _covering(members: Sequence[tuple[Candidate, set[tuple[int, str]]]]) -> list[Candidate]:
    """Members that each find what those before do not, the simplest of equals: a longer context adds nothing to a
    shorter one that is as good."""
    chosen: list[Candidate] = []
    covered: set[tuple[int, str]] = set()
    for candidate, right in sorted(members, key=lambda member: (-len(member[1]), len(member[0].key), member[0].key)):
        if len(chosen) < _MOST_PARTS and not right <= covered:
            chosen.append(candidate)
            covered |= right
    return chosen


def _joined(family: str, members: list[Candidate]) -> Candidate | None:
    members = list(members)
    while len(members) > 1:
        candidate = _rule(family, members)
        if max(len(str(value)) for value in candidate.keys.values()) <= MOST_CHARACTERS:
            return candidate
        members.pop()
    return None


def _rule(family: str, members: Sequence[Candidate]) -> Candidate:
    first = members[0]
    kind, _, _ = family.partition("|")
    lefts, rights = (list(dict.fromkeys(member.part[side] for member in members)) for side in (0, 1))
    keys = dict(first.keys)
    if kind == "left":
        keys["pattern"] = f"{either(lefts)}(?P<value>{rights[0]})"
        about = f"behind one of {len(lefts)} contexts"
    elif kind == "right":
        keys["pattern"] = f"(?P<value>{lefts[0]}){either(rights)}"
        about = f"before one of {len(rights)} contexts"
    elif kind == "between":
        inner = str(first.keys["pattern"])[len(first.part[0]) : len(str(first.keys["pattern"])) - len(first.part[1])]
        keys["pattern"] = either(f"{left}{inner}{right}" for left, right in dict.fromkeys(m.part for m in members))
        about = f"between {len(members)} pairs of contexts"
    elif kind == "below":
        keys["label"] = either(lefts)
        about = f"behind or below one of {len(lefts)} labels"
    else:
        keys["pattern"] = either(lefts)
        about = f"written in one of {len(lefts)} ways"
    support = sum(member.support for member in members)
    return Candidate(f"joined:{family}", keys, f"a value {about}", support)
