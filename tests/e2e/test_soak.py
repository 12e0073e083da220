"""The soak of ``python -m benchmarks.serving --scenario soak`` in seconds: a mixed load leaves nothing behind."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from benchmarks.serving.load import Plan
from benchmarks.serving.processes import Usage, descendants, generate
from gateway.home import Home

BILL = {"task": "bills", "text": "MUTIARA LTD\nbread\nTOTAL 9.00\n", "max_tier": "student"}
MIXED = [
    json.dumps(BILL),
    # At a quality that nothing is certified for, rules settle nothing.
    json.dumps({**BILL, "quality": 0.9999}),
    json.dumps({**BILL, "explain": True, "deadline_ms": 5000}),
    json.dumps({**BILL, "text": "bread\n" * 300 + BILL["text"]}),
    json.dumps({**BILL, "task": "no-such-task"}),
    json.dumps({**BILL, "fields": ["no-such-field"]}),
    json.dumps({**BILL, "text": ""}),
    '{"task": "bills", "text": ',
]


def test_a_mixed_load_leaves_nothing_behind(start: Any, tiny_home: Home) -> None:
    service = start(tiny_home, "--workers", "2")
    port = int(service.address.rpartition(":")[2])

    def usage() -> Usage:
        return Usage.of([service.process.pid, *descendants(service.process.pid)])

    generate(Plan("127.0.0.1", port, MIXED, 3.0, connections=8))
    before = usage()
    result = generate(Plan("127.0.0.1", port, MIXED, 12.0, rate=50.0, timeout=60.0))
    after = usage()
    found = Counter(sample.status for sample in result.samples)
    assert set(found) == {200, 400, 404, 422}, found
    assert not any(sample.degraded for sample in result.samples)
    assert after.memory_mib < before.memory_mib + 48
    # Connections of the load that have just ended may still be open, none of an earlier one.
    assert after.handles <= before.handles + 16
