"""Texts without the words that most of them share."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfrec.data.interactions import Interactions
from tfrec.features import FeatureSpec


def common_words(data: Interactions, column: str, share: float) -> np.ndarray:
    """Which words of a text column stand in more than a share of the items' texts.

    Args:
        data: Events with a text of items.
        column: Its name.
        share: Of the items that have any text.

    Returns:
        ``(vocabulary,)`` bool.
    """
    text, tokens = data.spec.table(column), data.items[column]
    item = np.repeat(np.arange(len(tokens)), tokens.shape[1])
    pairs = np.unique(item * text.size + tokens.ravel()) % text.size
    texts = np.bincount(pairs, minlength=text.size)
    return texts[text.first :] > share * (tokens > 0).any(axis=1).sum()


def without_words(data: Interactions, column: str, words: np.ndarray) -> Interactions:
    """The same events with texts that lack some words, and unknown ones too.

    Args:
        data: Events with a text of items.
        column: Its name.
        words: ``(vocabulary,)`` bool, those to leave out.
    """
    text, tokens = data.spec.table(column), data.items[column]
    kept = tuple(w for w, out in zip(text.vocabulary, words, strict=True) if not out)
    narrow = dataclasses.replace(text, vocabulary=kept)
    place = np.zeros(text.size, np.int32)
    place[text.first :][~words] = narrow.first + np.arange(len(kept))
    found = place[tokens]
    found = padding_last(found)
    spec: FeatureSpec = dataclasses.replace(
        data.spec,
        columns=tuple(narrow if c.name == column else c for c in data.spec.columns),
    )
    return dataclasses.replace(data, spec=spec, items={**data.items, column: found})


def padding_last(tokens: np.ndarray) -> np.ndarray:
    """Rows with their zeros moved behind the rest, whose order stays."""
    forward = np.argsort(tokens == 0, axis=1, kind="stable")
    return np.take_along_axis(tokens, forward, axis=1)
