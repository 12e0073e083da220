"""The tags' own frequencies as a token classifier's first answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from training.examples import IGNORE, Example


def set_priors(head: nn.Linear, examples: Sequence[Example]) -> None:
    """Set the head's bias to the logarithms of how frequent each tag of each field is in ``examples``.

    Nearly all tokens are outside. From a head that gives all tags the same probability, the first updates teach the
    encoder to say just that of every token, and tokens become alike; an adapter on a base that was made for sentence
    embeddings, whose tokens are alike to begin with, was seen to stay there for hundreds of updates. A head that begins
    with the frequencies leaves the encoder only what tells tokens apart to learn.

    Source: Lin, Goyal, Girshick, He and Dollár 2017, "Focal Loss for Dense Object Detection", section 3.3.

    Args:
        head: gives ``[…, fields * 3]`` logits, the tags of a field side by side.
        examples: targets ``[tokens, fields]``; tags that never occur count as seen once. Without any annotated token of
            a field its bias is 0.
    """
    targets = np.concatenate([example.targets for example in examples]) if examples else np.zeros((0, 0), np.int64)
    tags = 3
    fields = head.out_features // tags
    bias = torch.zeros(fields, tags)
    for field in range(fields if len(targets) else 0):
        known = targets[:, field][targets[:, field] != IGNORE]
        if len(known):
            counts = np.bincount(known, minlength=tags).clip(min=1)
            bias[field] = torch.from_numpy(np.log(counts / counts.sum())).float()
    with torch.no_grad():
        head.bias.copy_(bias.flatten())
