"""Models of a few kilobytes: a tokenizer, a BERT, and a tagger whose answers can be foretold."""

from __future__ import annotations

import json
import string
from pathlib import Path

import numpy as np

from gateway.evaluation.dataset import file_digest
from gateway.task import FieldSpec, TaskSpec

TASK = TaskSpec("bills", {"shop": FieldSpec("shop", "text"), "total": FieldSpec("total", "money")})
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["shop", "total", "tea", "kedai", "melur", "bhd", "rm"]
VOCABULARY = {
    token: number
    for number, token in enumerate(
        [
            *SPECIAL,
            *string.punctuation,
            *string.ascii_lowercase,
            *string.digits,
            *(f"##{char}" for char in string.ascii_lowercase + string.digits),
            *WORDS,
        ]
    )
}


def write_tokenizer(path: Path) -> Path:
    """A WordPiece tokenizer that knows every ASCII character and a few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(token, VOCABULARY[token]) for token in ("[CLS]", "[SEP]")]
    )
    tokenizer.add_special_tokens(SPECIAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return path


def write_base(directory: Path) -> Path:
    """A BERT of two layers, 32 wide, with random weights, as a fetched base lies on disk."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(directory)
    write_tokenizer(directory / "tokenizer.json")
    return directory


def write_foretold(path: Path, fields: int = 2) -> Path:
    """An ONNX tagger that looks at one token at a time: digits and ``.`` are inside the last field and, where the token
    is ``rm``, begin it; the words ``kedai`` and ``melur`` begin and go on with the first field; the rest is outside.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    table = np.zeros((len(VOCABULARY), fields, 3), dtype=np.float32)
    table[:, :, 0] = 8.0
    for token, number in VOCABULARY.items():
        if token.removeprefix("##").isdigit() or token == ".":
            table[number, -1] = (0.0, 0.0, 4.0)
    table[VOCABULARY["rm"], -1] = (0.0, 4.0, 0.0)
    table[VOCABULARY["kedai"], 0] = (0.0, 4.0, 0.0)
    table[VOCABULARY["melur"], 0] = (0.0, 0.0, 4.0)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["logits"])],
        "tagger",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", "t", fields, 3])],
        [numpy_helper.from_array(table, "table")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    return path


def write_student(directory: Path, **changes: object) -> Path:
    """A whole student directory around :func:`write_foretold`; ``changes`` go into config.json."""
    write_foretold(directory / "model.onnx")
    write_tokenizer(directory / "tokenizer.json")
    config = {
        "kind": "student",
        "fields": list(TASK.fields),
        "window": 64,
        "stride": 16,
        "pad_id": VOCABULARY["[PAD]"],
        "mode": "int8",
        "digests": {name: file_digest(directory / name) for name in ("model.onnx", "tokenizer.json")},
        **changes,
    }
    (directory / "config.json").write_text(json.dumps(config), "utf-8")
    return directory
