from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
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
