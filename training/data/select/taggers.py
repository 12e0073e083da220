"""What scores of whole documents need from token taggers, which answer token by token and field by field.

A tagger's answer for a document is an array ``[tokens, fields, 3]`` of tag probabilities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from training.data.select.adversarial import adversarial_margin
from training.data.select.scores import el2n, mutual_information, vote_entropy

Answers = Sequence[NDArray[np.float32]]
#: A token and a field of a document.
Place = tuple[int, int]
#: Documents whose margins are sought together, and the share of values that random answers leave out.
TOGETHER, DROPOUT = 16, 0.1


class HasWindow(Protocol):
    """Gives, for a document and one of its tokens, ids with special tokens and the token's place in them."""

    def __call__(self, document: int, token: int) -> tuple[NDArray[np.int64], int]:
        """The window of a document that holds a token."""


def least_certain(answers: Answers) -> list[Place]:
    """The place of each document where the two most probable tags are nearest to each other."""
    places = []
    for found in answers:
        ranked = np.sort(found, axis=-1)
        lead = ranked[..., -1] - ranked[..., -2]
        token, field = np.unravel_index(int(lead.argmin()), lead.shape) if lead.size else (0, 0)
        places.append((int(token), int(field)))
    return places


def at_places(answers: Answers, places: Sequence[Place]) -> NDArray[np.float32]:
    """``[documents, 3]``: the probabilities at one place of each. A document without tokens nobody doubts."""
    certain = np.array([1.0, 0.0, 0.0], dtype=np.float32)
    return np.stack([found[place] if len(found) else certain for found, place in zip(answers, places, strict=True)])


def uncertainty(answers: Answers) -> NDArray[np.float64]:
    """1 − the lead of the most probable tag where it is least: 1 where two tags are equally probable."""
    ranked = np.sort(at_places(answers, least_certain(answers)), axis=-1).astype(np.float64)
    return np.asarray(1.0 - (ranked[:, -1] - ranked[:, -2]))


def hardest_error(answers: Answers, targets: Sequence[ArrayLike], ignore: int) -> NDArray[np.float64]:
    """EL2N of each document's hardest place; places with the target ``ignore`` do not count."""
    result = np.zeros(len(answers))
    for index, (found, given) in enumerate(zip(answers, targets, strict=True)):
        wanted = np.asarray(given)
        annotated = wanted != ignore
        if annotated.any():
            result[index] = float(el2n(found[annotated], wanted[annotated]).max())
    return result


def all_right(answers: Answers, targets: Sequence[ArrayLike], ignore: int) -> NDArray[np.bool_]:
    """Whether every annotated place of a document has its target as the most probable tag."""
    return np.array(
        [
            bool(((found.argmax(axis=-1) == wanted) | (np.asarray(wanted) == ignore)).all())
            for found, wanted in zip(answers, targets, strict=True)
        ]
    )


def whole_answers(answers: Answers) -> NDArray[np.int64]:
    """A number for what each document was answered as a whole: equal for equal answers to one document."""
    return np.array([_digest(found.argmax(axis=-1).astype(np.int8).tobytes()) for found in answers], dtype=np.int64)


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def apart(models: Sequence[Answers]) -> NDArray[np.float64]:
    """How far an ensemble disagrees about each document where it disagrees most; ties of votes are settled by how far
    the models are apart."""
    result = np.zeros(len(models[0]))
    for index in range(len(result)):
        votes = np.stack([answers[index].reshape(-1, 3) for answers in models])
        if votes.shape[1]:
            result[index] = float((vote_entropy(votes) + 1e-3 * mutual_information(votes)).max())
    return result


def tagger_margins(
    network: nn.Module, window_of: HasWindow, places: Sequence[Place], pad: int, lengths: Sequence[int]
) -> NDArray[np.float64]:
    """How little the embeddings of a document must change for the tag at its place to flip.

    Args:
        network: a :class:`gateway.tiers.large.network.FieldTagger` on a transformer.
        places: one a document.
        lengths: of documents; those of similar length are computed together.
    """
    network.eval()
    tagger: Any = network
    table: nn.Embedding = tagger.encoder.get_input_embeddings()
    device = table.weight.device
    found = np.zeros(len(places))
    order = sorted(range(len(places)), key=lambda index: lengths[index])
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        windows = [window_of(index, places[index][0]) for index in rows]
        longest = max(len(ids) for ids, _ in windows)
        ids = torch.full((len(rows), longest), pad, dtype=torch.long, device=device)
        mask = torch.zeros_like(ids)
        for row, (window, _) in enumerate(windows):
            ids[row, : len(window)] = torch.from_numpy(window)
            mask[row, : len(window)] = 1
        where = [min(place, len(window) - 1) for window, place in windows]
        fields = [places[index][1] for index in rows]

        def logits_of(
            inputs: Tensor, mask: Tensor = mask, where: list[int] = where, fields: list[int] = fields
        ) -> Tensor:
            hidden = tagger.encoder(inputs_embeds=inputs.to(device), attention_mask=mask)[0]
            logits: Tensor = tagger.head(hidden).unflatten(-1, (tagger.fields, 3))
            return logits[torch.arange(len(where)), where, fields].cpu()

        with torch.no_grad():
            embedded = table(ids).float().cpu()
        found[rows] = adversarial_margin(logits_of, embedded)
    return found


class Doubting(nn.Module):
    """A network that answers at random: with dropout on, whatever mode it is put into."""

    def __init__(self, network: nn.Module, share: float = DROPOUT) -> None:
        super().__init__()
        self.network, self.share = network, share

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """As the network's own, at random."""
        dropouts = [module for module in self.network.modules() if isinstance(module, nn.Dropout)]
        before = [(module.p, module.training) for module in dropouts]
        for module in dropouts:
            module.p = self.share
            module.train()
        try:
            logits: Tensor = self.network(input_ids, attention_mask)
        finally:
            for module, (share, training) in zip(dropouts, before, strict=True):
                module.p = share
                module.train(training)
        return logits
