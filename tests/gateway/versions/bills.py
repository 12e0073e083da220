"""A home with a small task, and models of a few kilobytes that find shops by words one can choose."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from gateway.evaluation.dataset import file_digest, text_digest
from gateway.home import Home
from gateway.policy import Policy, Threshold, all_chains, chain_name
from gateway.tiers.forms import Forms
from gateway.tiers.rules.tier import RulesTier
from gateway.tiers.student import load_student
from gateway.trust import rule_digests
from tests.gateway.tiers.tiny import VOCABULARY, write_tokenizer

TASK = "task: bills\nquality: 0.9\ntiers: [rules, student]\nfields:\n  shop: {type: text}\n  total: {type: money}\n"
RULES = "field: total\nrules:\n  - {id: after, kind: anchor, label: 'TOTAL', value: '\\d+\\.\\d\\d', precision: 0.95}\n"
#: Words of shops that a tagger can be told to know.
SHOPS = ("kedai", "melur", "bhd", "tea")


def make_home(path: Path) -> Home:
    """Rules, and no models."""
    home = Home(path)
    (home.rules / "bills").mkdir(parents=True)
    (home.rules / "bills" / "task.yaml").write_text(TASK, "utf-8")
    (home.rules / "bills" / "total.yaml").write_text(RULES, "utf-8")
    return home


def write_tagger(path: Path, words: Collection[str]) -> None:
    """An ONNX tagger with one head that begins a value at each of ``words``."""
    from onnx import TensorProto, helper, numpy_helper, save

    table = np.zeros((len(VOCABULARY), 1, 3), dtype=np.float32)
    table[:, :, 0] = 8.0
    for word in words:
        table[VOCABULARY[word], 0] = (0.0, 8.0, 0.0)
    names = ("input_ids", "attention_mask")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "tagger",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"]) for name in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "t", 1, 3])],
        [numpy_helper.from_array(table, "table")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))


def write_models(home: Home, directory: Path, words: Collection[str], *, validation: int = 40, seed: int = 0) -> Path:
    """What training leaves behind: a student that knows ``words``, a policy made for it and for the rules, a split."""
    student = directory / "student"
    write_tagger(student / "model.onnx", words)
    write_tokenizer(student / "tokenizer.json")
    digests = {name: file_digest(student / name) for name in ("model.onnx", "tokenizer.json")}
    config = {"fields": ["shop"], "window": 64, "stride": 16, "pad_id": 0, "mode": "int8", "digests": digests}
    (student / "config.json").write_text(json.dumps(config), "utf-8")
    write_policy(home, directory)
    write_split(directory / "split.json", validation, seed)
    (directory / "recipe.yaml").write_text("window: 64\n", "utf-8")
    return directory


def write_policy(home: Home, directory: Path, value: float = 0.8) -> None:
    """A policy calibrated with today's rules and the student in ``directory``."""
    task = home.task("bills")
    rules = RulesTier.load(home.rules, task)
    threshold = Threshold(value, True, 90, 1, 100, 0.05)
    Policy(
        "bills",
        thresholds={chain_name(chain): {name: {0.9: threshold} for name in task.fields} for chain in all_chains()},
        versions={
            "rules": dict(rules.field_versions),
            "rule_digests": rule_digests(rules.rules),
            "student": load_student(directory / "student", task, Forms()).version,
        },
    ).save(directory / "policy.json")


def bills(count: int = 60) -> list[dict[str, object]]:
    """Documents whose shop is one word."""
    found = []
    for number in range(count):
        shop = SHOPS[number % len(SHOPS)].upper()
        text = f"{shop}\n{number} THINGS\nTOTAL {number}.50"
        found.append({"id": f"bill-{number}", "text": text, "labels": {"shop": shop, "total": f"{number}.50"}})
    return found


def write_data(path: Path, documents: Sequence[dict[str, object]] | None = None) -> Path:
    """The documents as a data file."""
    path.write_text("".join(json.dumps(one) + "\n" for one in documents or bills()), "utf-8")
    return path


def write_split(path: Path, validation: int = 40, seed: int = 0) -> None:
    """``validation`` of the documents for validation, each a group of its own; which ones, depends on the seed."""
    order = np.random.default_rng(seed).permutation(60) if seed else np.arange(60)
    documents = bills()
    digests = [{str(documents[i]["id"]): text_digest(str(documents[i]["text"])) for i in part} for part in (
        order[: 60 - validation], order[60 - validation :])]  # fmt: skip
    split = {
        "task": "bills",
        "seed": seed,
        "about": {},
        "parts": {"train": digests[0], "validation-unseen": digests[1]},
        "groups": {},
    }
    path.write_text(json.dumps(split), "utf-8")
