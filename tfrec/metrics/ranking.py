"""How well the relevant items of each user are ranked.

All read ``hits``: ``(users, depth)`` bool, whether the item on each rank, best first,
is relevant; and ``relevant``: ``(users,)`` how many relevant items the user has, found
or not. ``k`` is the cutoff, 1 <= k <= depth. Relevance is binary. All answer per user,
so that means, standard errors and paired tests can be taken of them, and raise
ValueError for shapes that do not fit, a cutoff beyond the depth, or a user without a
relevant item.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def _top(hits: Array, relevant: Array, k: int) -> tuple[Array, Array]:
    hits, relevant = np.asarray(hits, bool), np.asarray(relevant)
    if hits.ndim != 2 or relevant.shape != hits.shape[:1]:
        raise ValueError(
            f"hits of shape {hits.shape} and relevant of shape {relevant.shape} do not "
            "fit: give (users, depth) and (users,)."
        )
    if not 1 <= k <= hits.shape[1]:
        raise ValueError(
            f"cutoff k={k} is not between 1 and the {hits.shape[1]} ranks there are: "
            "rank deeper, or choose a smaller k."
        )
    if np.any(relevant < 1):
        raise ValueError(
            f"user {int(np.argmax(relevant < 1))} has no relevant item, so nothing can "
            "be measured: leave such users out."
        )
    return hits[:, :k], relevant


def recall(hits: Array, relevant: Array, k: int) -> Array:
    """Share of the relevant items that stand in the first k: ``(users,)``."""
    hits, relevant = _top(hits, relevant, k)
    return hits.sum(1) / relevant


def precision(hits: Array, relevant: Array, k: int) -> Array:
    """Share of the first k that is relevant: ``(users,)``."""
    hits, _ = _top(hits, relevant, k)
    return hits.sum(1) / k


def hit_rate(hits: Array, relevant: Array, k: int) -> Array:
    """1 when any of the first k is relevant, else 0: ``(users,)``."""
    hits, _ = _top(hits, relevant, k)
    return hits.any(1).astype(float)


def ndcg(hits: Array, relevant: Array, k: int) -> Array:
    """Normalised discounted cumulative gain with binary gains: ``(users,)``.

    Järvelin and Kekäläinen 2002: the gain of rank r is divided by log2(r + 1), and the
    sum by that of the ideal list, which begins with min(k, relevant) relevant items.
    """
    hits, relevant = _top(hits, relevant, k)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    return hits @ discount / ideal


def mrr(hits: Array, relevant: Array, k: int) -> Array:
    """1 / rank of the first relevant item, 0 when none is in the first k: ``(users,)``.

    The mean over users is the mean reciprocal rank.
    """
    hits, _ = _top(hits, relevant, k)
    return np.where(hits.any(1), 1 / (hits.argmax(1) + 1), 0.0)


def average_precision(hits: Array, relevant: Array, k: int) -> Array:
    """Precision at each relevant rank, summed, over min(k, relevant): ``(users,)``.

    The mean over users is MAP@k. With this normalisation a perfect list scores 1 also
    for a user with more than k relevant items.
    """
    hits, relevant = _top(hits, relevant, k)
    precisions = hits.cumsum(1) / np.arange(1, k + 1)
    return (precisions * hits).sum(1) / np.minimum(relevant, k)


#: Ranking metrics by the name they have in tables and logs.
RANKING = {
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}
