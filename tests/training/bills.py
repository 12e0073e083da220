"""A home with a small task, a base of a few kilobytes, and data that tiny models can learn."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from gateway.cli.main import main
from gateway.home import Home
from tests.gateway.tiers.tiny import write_base

TASK = """
task: bills
quality: 0.8
fields:
  shop: {type: text}
  total: {type: money}
prices: {currency: EUR, cpu_second: 0.5}
"""
RULES = r"""
field: total
rules:
  - id: after-label
    kind: pattern
    pattern: 'TOTAL RM (?P<value>[\d.]+)'
    precision: 0.95
"""
LOOP = {"learning_rate": 0.005, "head_learning_rate": 0.01, "token_budget": 200, "token_noise": 0.0}
RECIPE = {
    "large": {"base": "tiny", "rank": 8, "alpha": 16, "loop": {**LOOP, "epochs": 6}},
    "student": {"base": "tiny", "layers": 2, "loop": {**LOOP, "epochs": 6, "soft_weight": 1.0}},
    "folds": {"count": 2},
    "threads": 1,
    "window": 64,
    "stride": 16,
    "targets": [0.6, 0.8],
    "sources": ["Invented bills: nobody's, public domain."],
}
NAMES = ("KEDAI MELUR", "MELUR BHD", "KEDAI TEA", "SHOP BHD", "KEDAI BHD", "TEA SHOP")


def write_home(path: Path, cache: Path) -> Home:
    """Rules and bases; no models."""
    (path / "rules" / "bills").mkdir(parents=True)
    (path / "rules" / "bills" / "task.yaml").write_text(TASK, "utf-8")
    (path / "rules" / "bills" / "total.yaml").write_text(RULES, "utf-8")
    base = write_base(cache / "bases" / "tiny")
    files = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name in ("config.json", "model.safetensors", "tokenizer.json")
        for content in [(base / name).read_bytes()]
    }
    (path / "models").mkdir()
    catalogue = {"usage": {}, "bases": {"tiny": {"licence": "Apache-2.0", "files": files}}}
    (path / "models" / "bases.yaml").write_text(yaml.safe_dump(catalogue), "utf-8")
    (path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE), "utf-8")
    return Home(path)


def write_data(path: Path, size: int, seed: int, *, labelled: bool = True) -> Path:
    """Bills whose shop is on the first line and whose total stands behind ``TOTAL RM``."""
    rng = random.Random(seed)
    lines = []
    for number in range(size):
        shop, total = rng.choice(NAMES), f"{rng.randrange(1, 99)}.{rng.randrange(100):02d}"
        if rng.random() < 0.7:
            shop += f" {rng.randrange(100)}"
        text = f"{shop}\nTEA {rng.randrange(1, 9)}.50\nTOTAL RM {total}"
        raw = {"id": f"{path.stem}/{number}", "text": text}
        if labelled:
            raw["labels"] = {"shop": shop, "total": total}
        lines.append(json.dumps(raw))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def cascade(home: Path, *arguments: object) -> Result:
    """Run a command in a home whose cache lies beside it."""
    environment = {"CASCADE_CACHE": str(home.parent / "cache")}
    return CliRunner().invoke(main, ["--home", str(home), *map(str, arguments)], env=environment)


@dataclass(frozen=True)
class Bills:
    """The home, its data files, and what ``cascade train`` printed."""

    home: Home
    data: Path
    unlabelled: Path
    result: Result

    @property
    def models(self) -> Path:
        return self.home.models / "bills"

    @property
    def work(self) -> Path:
        return self.home.path / ".cascade" / "train" / "bills"

    def train(self, *more: object) -> Result:
        """The command that trained the models, with further options."""
        return cascade(self.home.path, *train_command(self.home, self.data, self.unlabelled), *more)


def train_command(home: Home, data: Path, unlabelled: Path) -> list[object]:
    recipe = home.path / "recipe.yaml"
    return ["train", "bills", "--data", data, "--unlabelled", unlabelled, "--recipe", recipe]


def train_bills(directory: Path) -> Bills:
    """Make home and data in ``directory`` and train."""
    home = write_home(directory / "home", directory / "cache")
    data = write_data(directory / "bills.jsonl", 200, 0)
    unlabelled = write_data(directory / "more.jsonl", 40, 1, labelled=False)
    # A copy of a labelled text must not come back as an unlabelled one.
    copy = json.loads(data.read_text("utf-8").splitlines()[0])
    with unlabelled.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"id": "copy", "text": copy["text"]}) + "\n")
    return Bills(home, data, unlabelled, cascade(home.path, *train_command(home, data, unlabelled)))
