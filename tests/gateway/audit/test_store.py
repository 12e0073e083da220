from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.audit.budget import AuditBudget
from gateway.audit.database import Database
from gateway.audit.evidence import Alarm
from gateway.audit.export import labelled_documents
from gateway.audit.report import open_questions, report
from gateway.audit.schema import MIGRATIONS
from gateway.audit.store import AuditedAnswer, AuditStore, Correction
from gateway.document import Document
from gateway.errors import AmbiguousFeedback, AuditStoreError
from gateway.evaluation.dataset import parse_document, text_digest
from gateway.evaluation.metrics import expected_values
from gateway.task import FieldSpec, TaskSpec

Make = Callable[..., AuditedAnswer]
ALARM = Alarm(0.05, 1000)
TASK = TaskSpec("bills", {"total": FieldSpec("total", "money"), "item": FieldSpec("item", "text", many=True)})


def same(expected: Sequence[str], answered: Sequence[str]) -> bool:
    return set(expected) == set(answered)


def correct(store: AuditStore, value: str | None = "9.00", **parts: object) -> object:
    values = () if value is None else (value,)
    usual: dict[str, object] = {"task": "bills", "field": "total", "request_id": "r-1", "value": values}
    return store.correct(Correction(**{**usual, **parts}), same, ALARM)  # type: ignore[arg-type]


def judge(store: AuditStore, answer: AuditedAnswer, agree: bool, document: Document | None = None) -> None:
    said = answer.value if agree else ("0.00",)
    store.judged([answer], [said], [agree], document or Document("TOTAL 9.00"), ALARM)


def test_the_file_is_private_and_made_only_when_it_is_used(store: AuditStore, answer: Make) -> None:
    assert not store.database.exists
    store.ask([answer()], Document("TOTAL 9.00"))
    path = store.database.path
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_open_question_is_answered_once_and_counts_once(store: AuditStore, answer: Make) -> None:
    store.ask([answer()], Document("TOTAL 9.00"))
    [question] = open_questions(store)
    assert (question["value"], question["text"]) == (["9.00"], "TOTAL 9.00")
    kept = correct(store)
    assert (kept.result, kept.agree, kept.audit) == ("new", True, True)
    assert open_questions(store) == []
    assert [correct(store).result, correct(store, "8.00").result, correct(store, "8.00").agree] == [
        "same",
        "changed",
        False,
    ]
    [row] = report(store)["audits"]
    assert (row["agreed"], row["disagreed"], row["judge"]) == (1, 0, "person")
    assert {test.subject: test.evidence.steps for test in store.standings()} == {"*": 1, "total": 1}


def test_volunteered_corrections_are_kept_but_are_no_sample(store: AuditStore, answer: Make) -> None:
    kept = correct(store, "8.00", answer=("9.00",))
    assert (kept.result, kept.agree, kept.audit) == ("new", False, False)
    judge(store, answer(request_id="r-2", judge="large"), True)
    assert correct(store, "8.00", request_id="r-2").audit is False
    found = report(store)
    assert found["feedback"] == [
        {"task": "bills", "field": "total", "corrections": 2, "confirmed": 0, "contradicted": 2}
    ]
    assert {test["subject"]: test["steps"] for test in found["tests"]} == {"all": 1, "total": 1}


def test_fields_of_one_document_count_once_for_the_whole_task(store: AuditStore, answer: Make) -> None:
    store.ask([answer(), answer(field="item", value=("a",))], Document("TOTAL 9.00"))
    correct(store)
    correct(store, "a", field="item")
    assert {test.subject: test.evidence.steps for test in store.standings()} == {"*": 1, "total": 1, "item": 1}


def test_a_document_of_a_batch_is_told_by_its_id_or_text(store: AuditStore, answer: Make) -> None:
    for number in (1, 2):
        text = f"TOTAL {number}.00"
        part = answer(document_id=f"doc-{number}", digest=text_digest(text), value=(f"{number}.00",))
        store.ask([part], Document(text, f"doc-{number}"))
    with pytest.raises(AmbiguousFeedback):
        correct(store, "2.00")
    assert correct(store, "2.00", document_id="doc-2").agree is True
    assert correct(store, "1.00", request_id=None, document_id="doc-1").agree is True
    assert open_questions(store) == []


def test_the_same_answer_drawn_twice_is_judged_once(store: AuditStore, answer: Make) -> None:
    for _ in range(2):
        judge(store, answer(judge="large"), False)
    [row] = report(store)["audits"]
    assert (row["agreed"], row["disagreed"]) == (0, 1)


def test_doubt_begins_once_and_lasts_until_a_restart_or_another_policy(store: AuditStore, answer: Make) -> None:
    began = []
    for number in range(30):
        part = answer(request_id=f"r-{number}", judge="large")
        began += store.judged([part], [("0.00",)], [False], Document("t"), ALARM)
    assert sorted(standing.subject for standing in began) == ["*", "total"]
    assert all(standing.doubted_at is not None for standing in store.standings("bills"))
    judge(store, answer(request_id="r-next", policy="q"), True)
    assert [standing.policy for standing in store.standings() if standing.doubted_at is None] == ["q", "q"]
    assert store.restart("bills") == 4
    assert store.standings() == []


def test_an_answer_without_a_limit_is_counted_and_not_tested(store: AuditStore, answer: Make) -> None:
    judge(store, answer(allowed=None), False)
    assert store.standings() == []
    assert report(store)["audits"][0]["disagreed"] == 1


def test_only_kept_text_is_exported(store: AuditStore, database: Database, answer: Make) -> None:
    silent = AuditStore(database, keep_texts=False)
    silent.ask([answer()], Document("my secret"))
    assert correct(silent, text="my secret").text_kept is False  # type: ignore[attr-defined]
    assert labelled_documents(store, TASK, "training").documents == ()
    assert b"my secret" not in b"".join(path.read_bytes() for path in database.path.parent.iterdir())
    correct(store, request_id="r-2", text="TOTAL 9.00", document_id="mine")
    correct(store, None, request_id="r-2", field="item", text="TOTAL 9.00", document_id="mine")
    judge(store, answer(request_id="r-3", digest="x", judge="large"), True, Document("only large knows"))
    [document] = labelled_documents(store, TASK, "training").documents
    labels = {"total": "9.00", "item": None}
    assert document == {"id": "mine", "sampled_for": "training", "text": "TOTAL 9.00", "labels": labels}
    assert labelled_documents(store, TASK, "calibration").documents == ()
    assert parse_document(document, "here").labels == document["labels"]


def test_only_documents_drawn_for_calibration_and_judged_in_every_field_are_exported_for_it(
    store: AuditStore, answer: Make
) -> None:
    for number in (1, 2, 3):
        text = f"TOTAL {number}.00"
        of = {"request_id": f"r-{number}", "digest": text_digest(text), "sampled_for": "calibration"}
        review = {"field": "item", "state": "review", "allowed": None, "value": ()}
        store.ask([answer(**of), answer(**of, **review)], Document(text, "same"))
    correct(store, "1.00", request_id="r-1")
    correct(store, None, request_id="r-1", field="item")
    correct(store, "2.00", request_id="r-2")
    found = labelled_documents(store, TASK, "calibration")
    assert found.left_open == 2
    assert [dict(document) for document in found.documents] == [
        {
            "id": f"audit-{text_digest('TOTAL 1.00')}",
            "sampled_for": "calibration",
            "text": "TOTAL 1.00",
            "labels": {"total": "1.00", "item": None},
        }
    ]
    # Neither is for training: a document that models learn from certifies nothing any more.
    assert labelled_documents(store, TASK, "training").documents == ()


def test_labels_keep_their_meaning_where_null_or_a_missing_key_have_another(store: AuditStore, answer: Make) -> None:
    unannotated = FieldSpec("total", "money", null_means="unannotated")
    task = TaskSpec("bills", {"total": unannotated, "item": FieldSpec("item", "text")}, closed_labels=True)
    correct(store, None, request_id="r-1", text="TOTAL 9.00")
    found = labelled_documents(store, task, "training")
    assert (found.documents, found.incomplete) == ((), 1)  # without a word on the item, it would count as absent
    correct(store, None, request_id="r-1", text="TOTAL 9.00", field="item")
    [document] = labelled_documents(store, task, "training").documents
    assert document["labels"] == {"total": [], "item": None}
    read = parse_document(dict(document), "here")
    assert [expected_values(task, read, name) for name in task.fields] == [(), ()]


def test_which_field_a_person_takes_up_first_does_not_choose_what_counts_for_the_task(
    store: AuditStore, answer: Make
) -> None:
    store.ask([answer(), answer(field="item", value=("a",))], Document("TOTAL 9.00"))
    correct(store, "b", field="item")
    assert {test.subject for test in store.standings()} == {"item"}
    correct(store)
    assert {test.subject: test.evidence.steps for test in store.standings()} == {"*": 1, "total": 1, "item": 1}


def test_a_database_of_the_first_schema_is_brought_up_to_date(database: Database, answer: Make) -> None:
    database.path.parent.mkdir()
    with sqlite3.connect(database.path) as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO answers VALUES (1, 'bills', 'r-1', NULL, 'd', 'total', 'rules', '[\"9.00\"]', '[]', 0.9, 0.95,"
            " 0.05, 'p', 'person', NULL, NULL, 1)"
        )
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    store = AuditStore(database)
    [question] = open_questions(store)
    assert (question["sampled_for"], question["state"]) == ("audit", "accepted")
    assert correct(store).audit is True  # type: ignore[attr-defined]


def test_retention_bounds_rows_and_age_and_drops_texts_nobody_refers_to(database: Database, answer: Make) -> None:
    now = [1_000_000.0]
    store = AuditStore(database, keep_texts=True, days=1, rows=5, clock=lambda: now[0])
    for number in range(8):
        text = f"TOTAL {number}"
        store.ask([answer(request_id=f"r-{number}", digest=text_digest(text))], Document(text))
    assert store.purge() == 3 + 3
    assert [question["text"] for question in open_questions(store)] == [f"TOTAL {number}" for number in range(3, 8)]
    now[0] += 2 * 86_400
    store.purge()
    assert store.rows("SELECT 1 FROM answers UNION ALL SELECT 1 FROM texts") == []


def test_a_later_schema_is_refused(database: Database) -> None:
    with database.writing():
        pass
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(AuditStoreError, match="update the program"), database.reading():
        pass


def test_what_is_no_database_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "audit.sqlite3").write_text("x" * 5000)
    with pytest.raises(AuditStoreError, match=r"audit\.sqlite3"):
        AuditStore(Database(tmp_path / "audit.sqlite3")).standings()
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditStoreError, match="cannot be opened"):
        AuditStore(Database(tmp_path / "file" / "audit.sqlite3")).standings()


def test_a_failed_transaction_leaves_nothing(store: AuditStore, answer: Make) -> None:
    with pytest.raises(ValueError, match="zip"):
        store.judged([answer()], [("1",)], [], Document("t"), ALARM)
    assert store.rows("SELECT 1 FROM answers") == []


# --- several processes ---

WRITER = """
import sys
from pathlib import Path
from gateway.audit.database import Database
from gateway.audit.evidence import Alarm
from gateway.audit.store import AuditedAnswer, AuditStore
from gateway.document import Document
store = AuditStore(Database(Path(sys.argv[1])))
for number in range(int(sys.argv[3])):
    answer = AuditedAnswer("bills", f"{sys.argv[2]}-{number}", None, "d", "total", "rules", ("1",), (), 0.9, 0.95, 0.05,
                           "p", "large")
    store.judged([answer], [("1",)], [True], Document("t"), Alarm(0.05))
    print(number, flush=True)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_and_no_step_of_a_test_is_lost(store: AuditStore) -> None:
    processes = [writer(store.database.path, name, 40) for name in ("a", "b")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert {standing.evidence.steps for standing in store.standings()} == {80}
    assert len(store.rows("SELECT 1 FROM judgements")) == 80


def test_a_killed_process_loses_nothing_that_it_said_was_kept(store: AuditStore) -> None:
    process = writer(store.database.path, "a", 100_000)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(25)]
    os.kill(process.pid, signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split()]
    process.wait(20)
    process.stdout.close()
    kept = len(store.rows("SELECT 1 FROM judgements"))
    assert len(said) <= kept <= len(said) + 1
    assert {standing.evidence.steps for standing in store.standings()} == {kept}
    assert store.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


# --- the budget ---


def spend(path: Path, ready: object, results: object) -> None:
    budget = AuditBudget(Database(path), 1.0)
    ready.wait()  # type: ignore[attr-defined]
    results.put(sum(budget.reserve("USD", 0.03) is not None for _ in range(40)))  # type: ignore[attr-defined]


def test_processes_together_never_reserve_more_than_the_budget(database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    results, ready = context.Queue(), context.Event()
    children = [context.Process(target=spend, args=(database.path, ready, results)) for _ in range(2)]
    for child in children:
        child.start()
    ready.set()
    assert sum(results.get(timeout=60) for _ in children) == 33  # 34 would be 1.02
    for child in children:
        child.join(20)
    assert AuditBudget(database, 1.0).spent_today("USD") == pytest.approx(0.99)


def test_a_budget_is_settled_for_its_day_and_begins_anew_with_the_next(database: Database) -> None:
    now = [86_400.0 * 20_000]
    budget = AuditBudget(database, 1.0, clock=lambda: now[0])
    taken = budget.reserve("USD", 0.9)
    assert taken is not None
    assert budget.reserve("USD", 0.2) is None
    assert budget.reserve("EUR", 0.2) is not None
    now[0] += 86_400
    budget.settle(taken, 0.1)
    assert budget.spent_today("USD") == 0.0
    assert budget.reserve("USD", 1.0) is not None
    assert budget.reserve("USD", 0.01) is None
    now[0] -= 86_400
    assert budget.spent_today("USD") == pytest.approx(0.1)


def test_without_money_nothing_that_costs_is_reserved(database: Database) -> None:
    budget = AuditBudget(database, 0.0)
    assert budget.reserve("USD", 1e-9) is None
