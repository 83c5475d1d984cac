"""What is recommended, whether or not it is relevant.

All read ``ranked``: ``(users, k)`` item columns, best first, -1 where a list has no
item left.
"""

from __future__ import annotations

import numpy as np

from tfrec.errors import ConfigError, DataError

Array = np.ndarray


def _counts(ranked: Array, items: int) -> Array:
    """How often each item stands in a list: ``(items,)``."""
    ranked = np.asarray(ranked)
    shown = np.bincount(ranked[ranked >= 0], minlength=items)
    if len(shown) > items:
        raise ConfigError(
            f"item column {len(shown) - 1} is beyond the catalogue of {items} items: "
            "pass the number of items that were ranked."
        )
    if not shown.sum():
        raise DataError("no list holds an item, so there is nothing to measure.")
    return shown


def coverage(ranked: Array, items: int) -> float:
    """Share of the catalogue's ``items`` that stand in at least one list."""
    return float(np.count_nonzero(_counts(ranked, items)) / items)


def gini(ranked: Array, items: int) -> float:
    """Gini index of how often each item of the catalogue is recommended.

    0 when every item is recommended equally often, 1 when one of several has all places
    (Shani and Gunawardana 2011, "Evaluating Recommendation Systems").
    """
    shown = np.sort(_counts(ranked, items))
    order = 2 * np.arange(1, items + 1) - items - 1
    return float(order @ shown / (max(items - 1, 1) * shown.sum()))


def _list_mean(ranked: Array, values: Array) -> Array:
    """Mean of item values over each list that holds an item."""
    present = np.asarray(ranked) >= 0
    places = present.sum(1)
    total = np.where(present, np.asarray(values, float)[ranked], 0.0).sum(1)
    return total[places > 0] / places[places > 0]


def average_popularity(ranked: Array, counts: Array) -> Array:
    """Mean number of training events of the items in each list: ``(lists,)``.

    Args:
        ranked: ``(users, k)`` item columns; empty lists are left out.
        counts: ``(items,)`` training events of each item.
    """
    return _list_mean(ranked, counts)


def novelty(ranked: Array, counts: Array) -> Array:
    """Mean self-information -log2 p(item) of each list, in bits: ``(lists,)``.

    p is the item's share of all training events (Castells, Hurley and Vargas 2015,
    "Novelty and Diversity in Recommender Systems"). An item with no event is taken to
    have had one, so that its surprise is finite.

    Args:
        ranked: ``(users, k)`` item columns; empty lists are left out.
        counts: ``(items,)`` training events of each item.
    """
    counts = np.maximum(np.asarray(counts, float), 1)
    return _list_mean(ranked, -np.log2(counts / counts.sum()))


#: Metrics of lists and training counts by the name they have in tables and logs.
LISTS = {"popularity": average_popularity, "novelty": novelty}
