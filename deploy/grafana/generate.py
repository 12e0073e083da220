"""Write the dashboards as JSON: ``python -m deploy.grafana.generate`` (``--check`` only compares).

The JSON in ``dashboards/`` is what Grafana reads; edit the code and write it again. ``pip install
'cascade-gateway[dev]'`` brings the builders.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import cost, escalation, quality, rules, service

DIRECTORY = Path(__file__).resolve().parent / "dashboards"
DASHBOARDS = {
    "cost": cost.dashboard,
    "escalation": escalation.dashboard,
    "service": service.dashboard,
    "rules": rules.dashboard,
    "quality": quality.dashboard,
}


def rendered() -> dict[str, str]:
    """File name to content."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    return {f"{name}.json": f"{encoder.encode(make().build())}\n" for name, make in DASHBOARDS.items()}


def main() -> int:
    """Write the files; with ``--check`` leave with 1 where one differs."""
    stale = []
    for name, content in rendered().items():
        path = DIRECTORY / name
        if not path.exists() or path.read_text("utf-8") != content:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_text(content, "utf-8")
    print(f"{', '.join(stale) or 'nothing'} {'differs' if '--check' in sys.argv[1:] else 'written'}")
    return int("--check" in sys.argv[1:] and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
