"""Rows of runs: whole lines, once each."""

import multiprocessing

import pytest

from gateway.errors import DatasetError
from training.experiments.ledger import COLUMNS, append_row, claim, key_of, number, read_rows


def row(key, **more):
    return {"experiment": "e", "task": "t", "variant": "v", "seed": 0, "key": key, **more}


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "results" / "runs.csv"
    append_row(path, row("a", f1=91.25, settings={"b": [1, 2]}, command='say "x, y"\nz'))
    append_row(path, row("b"))
    first, second = read_rows(path)
    assert tuple(first) == COLUMNS
    assert (first["key"], number(first, "f1"), first["settings"]) == ("a", 91.25, '{"b": [1, 2]}')
    assert first["command"] == 'say "x, y" z'
    assert (second["key"], number(second, "f1")) == ("b", None)


def test_half_a_line_is_left_out_and_then_cut_off(tmp_path):
    path = tmp_path / "runs.csv"
    append_row(path, row("a"))
    whole = path.read_text()
    path.write_text(whole + "e,t,v,1,half")
    assert [item["key"] for item in read_rows(path)] == ["a"]
    append_row(path, row("b"))
    assert [item["key"] for item in read_rows(path)] == ["a", "b"]
    path.write_text(whole.partition("\n")[0][:20])
    assert read_rows(path) == []
    append_row(path, row("c"))
    assert [item["key"] for item in read_rows(path)] == ["c"]


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="columns"):
        read_rows(path)


def _append(path, start):
    for index in range(25):
        append_row(path, row(f"{start}-{index}"))


def test_processes_do_not_lose_each_other_s_rows(tmp_path):
    path = tmp_path / "runs.csv"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append, args=(path, start)) for start in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {item["key"] for item in read_rows(path)} == {
        f"{start}-{index}" for start in range(3) for index in range(25)
    }


def test_a_claim_is_one_s_own_and_ends(tmp_path):
    with claim(tmp_path, "a") as mine, claim(tmp_path, "a") as again, claim(tmp_path, "b") as other:
        assert (mine, again, other) == (True, False, True)
    with claim(tmp_path, "a") as mine:
        assert mine


def test_everything_that_shapes_a_result_names_it():
    keys = {
        key_of("e", "t", "v", 0, {"epochs": 1}),
        key_of("f", "t", "v", 0, {"epochs": 1}),
        key_of("e", "u", "v", 0, {"epochs": 1}),
        key_of("e", "t", "w", 0, {"epochs": 1}),
        key_of("e", "t", "v", 1, {"epochs": 1}),
        key_of("e", "t", "v", 0, {"epochs": 2}),
    }
    assert len(keys) == 6
    assert key_of("e", "t", "v", 0, {"a": 1, "b": 2}) == key_of("e", "t", "v", 0, {"b": 2, "a": 1})
