"""One training and judgement for each family and seed, and one for the random field; each kept once it is done."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.students.reading import crf_reader, judge, normalised_f1, reader
from gateway.evaluation.dataset import file_digest
from gateway.files import write_json
from gateway.tiers.large.export import export_float, quantise
from training.baselines.crf import CrfSettings, train_crf
from training.experiments.material import Material
from training.export import GATE_POINTS
from training.families import Family, build_student
from training.identity import identity
from training.recipe import StudentRecipe
from training.run import fingerprint
from training.student import of_family, train_student

CRF = "crf"


@dataclass
class Runs:
    """What every run shares, and where each keeps what it made."""

    material: Material
    work: Path
    recipe: StudentRecipe
    teacher: Path | None

    def directory(self, name: str, seed: int) -> Path:
        """Where a run keeps what it made."""
        return self.work / self.material.task.name / f"{name}-{seed}"

    def once(self, directory: Path, inputs: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do ``work`` unless its result is kept and was made from the same."""
        path = directory / "result.json"
        if path.is_file():
            kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if kept["inputs"] == inputs:
                print(f"{directory.name}: done before", flush=True)
                return kept
        directory.mkdir(parents=True, exist_ok=True)
        result = {"inputs": inputs, **work()}
        write_json(path, result)
        return result

    def student(self, family: Family, seed: int) -> dict[str, Any]:
        """Train, export and judge one student."""
        material, directory = self.material, self.directory(family.name, seed)
        recipe = of_family(replace(self.recipe, loop=replace(self.recipe.loop, seed=seed)), family.name)
        teacher = file_digest(self.teacher) if self.teacher else ""
        data = [(item.id, item.input_digest, item.labels) for item in (*material.train, *material.development)]
        inputs = fingerprint(identity(recipe), asdict(family), data, teacher)

        def work() -> dict[str, Any]:
            view = material.view(family)
            network = build_student(
                family,
                material.base,
                len(material.fields),
                seed=seed,
                tokenizer=view.tokenizer,
                texts=material.texts,
            )
            started = time.perf_counter()
            history = train_student(
                network,
                view.of(None),
                recipe,
                view.vocabulary,
                directory / "student.pt",
                description=directory.name,
                inputs=inputs,
            )
            # An interrupted run's epochs count too.
            seconds = max(time.perf_counter() - started, sum(record["seconds"] for record in history))
            full, small = directory / "float.onnx", directory / "model.onnx"
            export_float(network, full)
            quantise(full, small)
            figures = [judge(material, reader(material, family, path)) for path in (full, small)]
            exact, served = (normalised_f1(figure) for figure in figures)
            full.unlink()
            return {
                "parameters": sum(parameter.numel() for parameter in network.parameters()),
                "bytes": small.stat().st_size,
                "seconds_to_train": round(seconds, 1),
                "epochs": len([record for record in history if "undone" not in record]),
                "training_loss": history[-1]["loss"],
                "float32_f1": round(exact, 2),
                "passes_the_export_gate": exact - served <= GATE_POINTS,
                "counts": figures[1],
            }

        return self.once(directory, inputs, work)

    def crf(self) -> dict[str, Any]:
        """Train and judge the conditional random field, which draws nothing at random."""
        material, directory, settings = self.material, self.directory(CRF, 0), CrfSettings()
        data = [(item.id, item.input_digest, item.labels) for item in (*material.train, *material.development)]

        def work() -> dict[str, Any]:
            started = time.perf_counter()
            crf = train_crf(material.train, material.spans, material.fields, directory, settings)
            seconds = time.perf_counter() - started
            return {
                "bytes": sum(path.stat().st_size for path in crf_files(directory).values()),
                "seconds_to_train": round(seconds, 1),
                "counts": judge(material, crf_reader(material, crf)),
            }

        return self.once(directory, fingerprint(asdict(settings), data, "crf 1"), work)


def crf_files(directory: Path) -> dict[str, Path]:
    """The chains kept in a directory, by field."""
    return {path.stem: path for path in sorted(directory.glob("*.crfsuite"))}
