"""The committed dashboards: what the code makes, and what Grafana's own types can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.deploy.stage import DASHBOARDS, panels

pytest.importorskip("grafana_foundation_sdk", reason="needs grafana-foundation-sdk: pip install 'cascade-gateway[dev]'")
# The schema of dashboards that every Grafana since version 10 reads; the one that is preferred needs version 12.
pytestmark = pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")
NAMES = sorted(path.stem for path in DASHBOARDS.glob("*.json"))


def test_the_committed_json_is_what_the_code_makes() -> None:
    from deploy.grafana.generate import rendered

    assert {path.name: path.read_text("utf-8") for path in DASHBOARDS.glob("*.json")} == rendered()


@pytest.mark.parametrize("name", NAMES)
def test_grafana_s_own_types_read_all_of_it(name: str) -> None:
    """What the types do not know would be lost on the way through them."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    board: dict[str, Any] = json.loads((DASHBOARDS / f"{name}.json").read_text("utf-8"))
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(board))) == board


@pytest.mark.parametrize("name", NAMES)
def test_panels_say_what_they_mean_and_lie_beside_each_other(name: str) -> None:
    board = json.loads((DASHBOARDS / f"{name}.json").read_text("utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y) for x in range(at.get("x", 0), at.get("x", 0) + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    for panel in panels(name):
        assert len(panel["description"]) > 3, panel["title"]


def test_identifiers_are_unique() -> None:
    boards = [json.loads((DASHBOARDS / f"{name}.json").read_text("utf-8")) for name in NAMES]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == len(NAMES)
