"""The stages that train: large tier, teacher, student, and the student's export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gateway.document import Span
from gateway.evaluation.dataset import LabelledDocument, file_digest
from gateway.tiers.encoding import TextEncoder
from gateway.tiers.large.adapter import ADAPTER, load_merged
from gateway.tiers.large.network import FieldTagger
from gateway.tiers.student import digests_of
from training import large, student
from training.evaluate import network_scorer, onnx_scorer
from training.examples import Example, make_examples
from training.export import export_student
from training.identity import identity
from training.pipeline.documents import windows_of
from training.pipeline.stage import Stage
from training.run import fingerprint
from training.teacher import (
    load_probabilities,
    save_probabilities,
    token_probabilities,
    token_states,
    transfer,
    transfer_states,
)

if TYPE_CHECKING:
    from training.pipeline.pipeline import Pipeline

#: Channels that are kept of a teacher's states.
_STATE_WIDTH = 64
#: Documents on which ONNX and torch are compared.
_COMPARED = 10


def large_examples(run: Pipeline, encoder: TextEncoder) -> list[Example]:
    """The training documents' windows with their labels."""
    examples: list[Example] = []
    for document, spans in zip(run.parts["train"], run.aligned, strict=True):
        encoding = encoder.encode(document.text, document.context)
        windows = windows_of(run, encoder, document, encoding, spans)
        examples += make_examples(encoder, encoding, spans, run.fields, windows=windows)
    return examples


def large_stage(run: Pipeline) -> Stage:
    """Train the large tier's adapter and heads."""
    recipe, base = run.recipe.large, run.base_directories[run.recipe.large.base]
    directory = run.out / "large"
    base_sha256 = run.bases[recipe.base].files["model.safetensors"].sha256

    def inputs() -> str:
        return run.inputs(identity(recipe), base_sha256, *run.reading)

    def work() -> dict[str, Any]:
        tokenizer = base / "tokenizer.json"
        vocabulary, encoder = large.special_tokens(tokenizer), run.encoder(recipe.base)
        network = large.build(recipe, base, len(run.fields), run.device)
        history = large.train_large(
            network,
            large_examples(run, encoder),
            recipe,
            vocabulary,
            run.work / "large.pt",
            network_scorer(run.parts["development"], encoder, vocabulary.pad, run.task, run.forms, run.chooser),
            inputs(),
            run.device,
            run.stages.outlook.left,
        )
        if run.workers.first:
            large.save_adapter(
                network,
                run.recipe,
                run.fields,
                vocabulary.pad,
                tokenizer,
                base_sha256,
                directory,
                context_tokens=run.context_tokens,
            )
        return {"history": history, "device": str(run.device)}

    return Stage("large", inputs, (directory / "config.json", directory / ADAPTER), work, every_worker=True)


def teacher_stage(run: Pipeline) -> Stage:
    """Pseudo-labels: the large tier's probabilities for the training documents and the unlabelled ones."""
    base = run.recipe.large.base
    documents = [*run.parts["train"], *run.unlabelled_documents]
    relating = run.student_recipe.loop.relation_weight > 0
    outputs = (run.teacher_path, *([run.states_path] if relating else []))

    def inputs() -> str:
        digest = file_digest(run.out / "large" / ADAPTER)
        read = [(document.id, document.input_digest) for document in documents]
        return fingerprint(digest, read, *digests_of(run.chooser), *(["states 1"] if relating else []))

    def work() -> dict[str, Any]:
        encoder = run.encoder(base)
        network = load_merged(run.out / "large", run.base_directories[base]).to(run.device)
        pad = large.special_tokens(run.base_directories[base] / "tokenizer.json").pad
        encodings = [encoder.encode(document.text, document.context) for document in documents]
        spans: list[Mapping[str, Sequence[Span]]] = [*run.aligned, *({} for _ in run.unlabelled_documents)]
        windows = [
            windows_of(run, encoder, document, encoding, found)
            for document, encoding, found in zip(documents, encodings, spans, strict=True)
        ]
        found = token_probabilities(
            network,
            encoder,
            encodings,
            pad,
            description="teacher",
            windows=windows,
            remaining=run.stages.outlook.left,
        )
        identifiers = [document.id for document in documents]
        save_probabilities(run.teacher_path, identifiers, found)
        if relating:
            states = token_states(
                network, encoder, encodings, pad, width=_STATE_WIDTH, description="teacher's states", windows=windows
            )
            save_probabilities(run.states_path, identifiers, states)
        return {"documents": len(documents), "tokens": sum(len(encoding) for encoding in encodings)}

    return Stage("teacher", inputs, outputs, work)


def student_examples(run: Pipeline, unlabelled: Sequence[LabelledDocument]) -> list[Example]:
    """Labelled examples with hard and soft targets, and unlabelled ones with soft targets alone."""
    probabilities = load_probabilities(run.teacher_path)
    states = load_probabilities(run.states_path) if run.student_recipe.loop.relation_weight > 0 else {}
    teacher, encoder = run.encoder(run.recipe.large.base), run.student_encoder()
    examples: list[Example] = []
    pairs: list[tuple[LabelledDocument, Mapping[str, Sequence[Span]]]] = [
        *zip(run.parts["train"], run.aligned, strict=True),
        *((document, {}) for document in unlabelled),
    ]
    for document, spans in pairs:
        encoding = encoder.encode(document.text, document.context)
        if not len(encoding):
            continue
        source = teacher.encode(document.text, document.context)
        soft = transfer(probabilities[document.id], source, encoding)
        known = transfer_states(states[document.id], source, encoding) if states else None
        windows = windows_of(run, encoder, document, encoding, spans)
        examples += make_examples(encoder, encoding, spans, run.fields, soft, windows, known)
    return examples


def _student_inputs(run: Pipeline) -> str:
    # A family's own word pieces depend on the documents, which are among the inputs.
    return run.inputs(identity(run.student_recipe), file_digest(run.teacher_path), *run.reading)


def _train_student(run: Pipeline) -> tuple[FieldTagger, list[dict[str, Any]], int]:
    recipe, base = run.student_recipe, run.base_directories[run.recipe.student.base]
    encoder, vocabulary = run.student_encoder(), large.special_tokens(run.student_tokenizer)
    texts = [document.text for document in (*run.parts["train"], *run.unlabelled_documents)] if recipe.size else []
    network = student.build(recipe, base, len(run.fields), tokenizer=run.student_tokenizer, texts=texts)
    examples = student_examples(run, run.unlabelled_documents)
    history = student.train_student(
        network,
        examples,
        recipe,
        vocabulary,
        run.work / "student.pt",
        network_scorer(run.parts["development"], encoder, vocabulary.pad, run.task, run.forms, run.chooser),
        inputs=_student_inputs(run),
        device=run.device,
        remaining=run.stages.outlook.left,
    )
    return network.cpu(), history, len(examples)


def student_stage(run: Pipeline) -> Stage:
    """Train the student on labels and teacher."""

    def work() -> dict[str, Any]:
        run.trained_student, history, examples = _train_student(run)
        parameters = sum(parameter.numel() for parameter in run.trained_student.parameters())
        return {"history": history, "examples": examples, "parameters": parameters, "device": str(run.device)}

    return Stage("student", lambda: _student_inputs(run), (run.work / "student.pt",), work, every_worker=True)


def export_stage(run: Pipeline) -> Stage:
    """Publish the trained student as ONNX, if it passes the gates."""
    directory, development = run.out / "student", run.parts["development"]

    def inputs() -> str:
        labels = [(item.id, item.input_digest, item.labels) for item in development]
        return fingerprint(_student_inputs(run), labels, run.forms.digest, "export 1")

    def work() -> dict[str, Any]:
        # Trained by an earlier run: its checkpoint is loaded, and the methods it was trained with bring it to its end.
        network = run.trained_student or _train_student(run)[0]
        run.trained_student = None
        recipe, encoder = run.student_recipe, run.student_encoder()
        pad = large.special_tokens(run.student_tokenizer).pad
        config = {
            "kind": "student",
            "base": recipe.base,
            **({"family": recipe.size} if recipe.size else {"layers": recipe.layers}),
            "fields": run.fields,
            "window": run.recipe.window,
            "stride": run.recipe.stride,
            "context_tokens": run.context_tokens,
            "pad_id": pad,
        }
        report = export_student(
            network,
            run.student_tokenizer,
            encoder,
            [encoder.encode(document.text, document.context) for document in development[:_COMPARED]],
            onnx_scorer(development, encoder, pad, run.task, run.forms, run.chooser),
            config,
            directory,
        )
        return asdict(report)

    return Stage("export", inputs, (directory / "config.json", directory / "model.onnx"), work)
