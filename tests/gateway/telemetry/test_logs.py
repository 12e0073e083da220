from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.logs import REQUEST_ID, configure_logging, facts


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(stream: io.StringIO) -> list[dict[str, Any]]:
    logging.getLogger().handlers[0].flush()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_the_request_id_and_facts() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    token = REQUEST_ID.set("r-1")
    logging.getLogger("some.part").info("two\nlines é", extra=facts(status=200, task=None))
    REQUEST_ID.reset(token)
    logging.getLogger("some.part").debug("not shown")
    (line,) = logged(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "some.part",
        "message": "two\nlines é",
        "request_id": "r-1",
        "status": 200,
    }


def test_lines_are_written_soon_and_a_warning_at_once_with_all_before_it() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    log = logging.getLogger("some.part")
    log.info("one")
    deadline = time.monotonic() + 30
    while not stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    log.info("two")
    log.warning("three")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["one", "two", "three"]


def test_what_no_utf_8_can_hold_is_logged_all_the_same() -> None:
    stream = io.StringIO()
    configure_logging("info", stream)
    logging.getLogger("some.part").info("half \ud800", extra=facts(number=1 << 70, path=Path("a")))
    (line,) = logged(stream)
    assert (line["message"], line["number"], line["path"]) == ("half \ud800", 1 << 70, "a")


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_the_message_of_an_unexpected_error_is_logged_for_debugging_only(level: str, shown: bool) -> None:
    stream = io.StringIO()
    configure_logging(level, stream)
    try:
        raise ValueError("the document said: my secret")
    except ValueError:
        logging.getLogger("some.part").exception("it broke")
    (line,) = logged(stream)
    assert line["error"]["type"] == "ValueError"
    assert "test_logs.py" in line["error"]["trace"][0]
    assert ("my secret" in stream.getvalue()) is shown
