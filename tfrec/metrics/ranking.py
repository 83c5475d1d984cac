"""How well the relevant items of each user are ranked.

All read ``hits``: ``(users, depth)`` bool, whether the item on each rank, best first,
is relevant; and ``relevant``: ``(users,)`` how many relevant items the user has, found
or not. ``k`` is the cutoff, 1 <= k <= depth. Relevance is binary. All answer per user,
so that means, standard errors and paired tests can be taken of them, and raise
ValueError for shapes that do not fit, a cutoff beyond the depth, or a user without a
relevant item.

Items of one score are tied, and their order is chance. ``tied``: ``(users, depth)``,
says how many items share the score of the item on each rank, that item and those beyond
the depth included, and ``hits`` then says how many of these are relevant; without
``tied`` there are none. The answer is the expected value over the orders of tied items,
all equally likely, in closed form (McSherry and Najork 2008, "Computing Information
Retrieval Performance Measures Efficiently in the Presence of Tied Scores").

Let ``r`` of the ``n`` items tied on a rank be relevant, and ``i`` of the ranks before
it belong to the same tie. The item on the rank is relevant with chance ``p = r / n``;
when no rank of the tie before it holds a relevant one, with chance ``h = r / (n - i)``.
Ties are independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfrec.errors import ConfigError, DataError

Array = np.ndarray


@dataclass(frozen=True)
class _Ranks:
    """The first k ranks of each user.

    Attributes:
        relevant: r, ``(users, k)``.
        tied: n, ``(users, k)``.
    """

    relevant: Array
    tied: Array

    @property
    def chance(self) -> Array:
        """p: ``(users, k)``."""
        return self.relevant / self.tied

    @property
    def before(self) -> Array:
        """i: ``(users, k)``."""
        before = np.zeros_like(self.tied)
        for rank in range(1, self.tied.shape[1]):
            further = before[:, rank - 1] + 1
            before[:, rank] = np.where(further < self.tied[:, rank - 1], further, 0)
        return before

    @property
    def chance_after_none(self) -> Array:
        """h: ``(users, k)``; 1 from where all that are left of a tie are relevant."""
        return np.minimum(self.relevant / (self.tied - self.before), 1)


def _top(hits: Array, relevant: Array, k: int, tied: Array | None) -> _Ranks:
    hits, relevant = np.asarray(hits, float), np.asarray(relevant)
    tied = np.ones(hits.shape, int) if tied is None else np.asarray(tied)
    if hits.ndim != 2 or relevant.shape != hits.shape[:1] or tied.shape != hits.shape:
        raise ConfigError(
            f"hits of shape {hits.shape}, relevant of shape {relevant.shape} and tied "
            f"of shape {tied.shape} do not fit: give (users, depth), (users,) and "
            "(users, depth)."
        )
    if not 1 <= k <= hits.shape[1]:
        raise ConfigError(
            f"cutoff k={k} is not between 1 and the {hits.shape[1]} ranks there are: "
            "rank deeper, or choose a smaller k."
        )
    if np.any(relevant < 1):
        raise DataError(
            f"user {int(np.argmax(relevant < 1))} has no relevant item, so nothing can "
            "be measured: leave such users out."
        )
    wrong = np.argwhere((hits < 0) | (hits > tied))
    if len(wrong):
        user, rank = wrong[0]
        raise ConfigError(
            f"{hits[user, rank]:g} of the {tied[user, rank]} items on rank {rank + 1} "
            f"of user {user} are relevant: count each of them once."
        )
    return _Ranks(hits[:, :k], tied[:, :k])


def recall(hits: Array, relevant: Array, k: int, tied: Array | None = None) -> Array:
    """Share of the relevant items that stand in the first k: ``(users,)``.

    A sum over ranks, so that its expected value is that of the chances ``p``.
    """
    return _top(hits, relevant, k, tied).chance.sum(1) / relevant


def precision(hits: Array, relevant: Array, k: int, tied: Array | None = None) -> Array:
    """Share of the first k that is relevant: ``(users,)``.

    A sum over ranks, as :func:`recall`.
    """
    return _top(hits, relevant, k, tied).chance.sum(1) / k


def hit_rate(hits: Array, relevant: Array, k: int, tied: Array | None = None) -> Array:
    """1 when any of the first k is relevant, else 0: ``(users,)``.

    With ties the chance of it, one less that of no relevant item on any rank, which is
    the product of all ``1 - h``.
    """
    return 1 - np.prod(1 - _top(hits, relevant, k, tied).chance_after_none, axis=1)


def ndcg(hits: Array, relevant: Array, k: int, tied: Array | None = None) -> Array:
    """Normalised discounted cumulative gain with binary gains: ``(users,)``.

    Järvelin and Kekäläinen 2002: the gain of rank r is divided by log2(r + 1), and the
    sum by that of the ideal list, which begins with min(k, relevant) relevant items.
    The ideal does not depend on ties, and the sum is one over ranks, as in
    :func:`recall`.
    """
    ranks = _top(hits, relevant, k, tied)
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    return ranks.chance @ discount / ideal


def mrr(hits: Array, relevant: Array, k: int, tied: Array | None = None) -> Array:
    """1 / rank of the first relevant item, 0 when none is in the first k: ``(users,)``.

    The mean over users is the mean reciprocal rank. With ties, a rank holds the first
    relevant item with the chance ``h`` times the product of ``1 - h`` of the ranks
    before it.
    """
    chance = _top(hits, relevant, k, tied).chance_after_none
    none = np.cumprod(1 - chance, axis=1)
    none_before = np.concatenate([np.ones((len(none), 1)), none[:, :-1]], axis=1)
    return none_before * chance @ (1 / np.arange(1, k + 1))


def average_precision(
    hits: Array, relevant: Array, k: int, tied: Array | None = None
) -> Array:
    """Precision at each relevant rank, summed, over min(k, relevant): ``(users,)``.

    The mean over users is MAP@k. With this normalisation a perfect list scores 1 also
    for a user with more than k relevant items.

    With ties, a relevant item on a rank, of chance ``p``, counts itself, the sum of
    ``p`` over the ranks of earlier ties, and of the ``i`` ranks before it in its own
    tie, which the other ``n - 1`` items share, ``i (r - 1) / (n - 1)``.
    """
    ranks = _top(hits, relevant, k, tied)
    chance, before = ranks.chance, ranks.before
    earlier_ties = chance.cumsum(1) - (before + 1) * chance
    own_tie = before * (ranks.relevant - 1) / np.maximum(ranks.tied - 1, 1)
    precisions = (1 + earlier_ties + own_tie) / np.arange(1, k + 1)
    return (precisions * chance).sum(1) / np.minimum(relevant, k)


#: Ranking metrics by the name they have in tables and logs.
RANKING = {
    "recall": recall,
    "precision": precision,
    "hit_rate": hit_rate,
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average_precision,
}
