"""How well labels of single user-item pairs are predicted."""

from __future__ import annotations

import numpy as np

from tfrec.errors import ConfigError, DataError

Array = np.ndarray


def _pair(
    labels: Array, predictions: Array, binary: bool = False
) -> tuple[Array, Array]:
    labels, predictions = np.asarray(labels, float), np.asarray(predictions, float)
    if labels.shape != predictions.shape or labels.ndim != 1 or not len(labels):
        raise ConfigError(
            f"labels of shape {labels.shape} and predictions of shape "
            f"{predictions.shape} do not fit: give two non-empty arrays of one length."
        )
    for name, values in (("label", labels), ("prediction", predictions)):
        if not np.all(np.isfinite(values)):
            row = int(np.argmin(np.isfinite(values)))
            raise DataError(
                f"the {name} of row {row} is {values[row]}: metrics need finite "
                "numbers; a diverged model wants a lower learning rate."
            )
    if binary and not np.all((labels == 0) | (labels == 1)):
        row = int(np.argmax((labels != 0) & (labels != 1)))
        raise DataError(
            f"the label of row {row} is {labels[row]:g}: this metric needs labels 0 "
            "and 1; set a threshold."
        )
    return labels, predictions


def _average_ranks(values: Array, groups: Array) -> Array:
    """Ranks from 1 inside each group, ties given their mean rank."""
    order = np.lexsort((values, groups))
    sorted_values, sorted_groups = values[order], groups[order]
    new_group = np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]
    new_run = new_group | np.r_[True, sorted_values[1:] != sorted_values[:-1]]
    run = np.cumsum(new_run) - 1
    begin = np.flatnonzero(new_run)
    end = np.r_[begin[1:], len(values)]
    offset = np.flatnonzero(new_group)[np.cumsum(new_group) - 1]
    ranks = np.empty(len(values))
    ranks[order] = ((begin + end + 1) / 2)[run] - offset
    return ranks


def auc(labels: Array, predictions: Array) -> float:
    """Area under the ROC curve: how often a positive is scored above a negative.

    Rank based (Mann-Whitney); a tie counts one half.

    Args:
        labels: ``(n,)`` 0 or 1.
        predictions: ``(n,)`` scores of any scale.

    Raises:
        ValueError: Only one class, shapes that do not fit, or numbers not finite.
    """
    return auc_with_error(labels, predictions)[0]


def auc_with_error(labels: Array, predictions: Array) -> tuple[float, float]:
    """AUC and its standard error.

    The error is DeLong's (1988): of the share of negatives below each positive, and of
    positives above each negative. It is NaN with a single positive or negative.

    Args and raises: as :func:`auc`.
    """
    labels, predictions = _pair(labels, predictions, binary=True)
    positive = labels == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if not n1 or not n0:
        raise DataError(
            f"AUC needs both classes, and all {len(labels)} labels are "
            f"{int(labels[0])}: evaluate on data with positives and negatives."
        )
    ranks = _average_ranks(predictions, np.zeros(len(labels), np.int8))
    within = _average_ranks(predictions, positive)
    below = (ranks - within)[positive] / n0
    above = 1 - (ranks - within)[~positive] / n1
    if min(n1, n0) < 2:
        return float(below.mean()), float("nan")
    variance = below.var(ddof=1) / n1 + above.var(ddof=1) / n0
    return float(below.mean()), float(np.sqrt(variance))


def gauc(labels: Array, predictions: Array, groups: Array) -> float:
    """AUC inside each group, weighted by its impressions (Zhou 2018, section 6.2).

    Groups, usually users, with only one class have no AUC and are left out with their
    impressions.

    Args:
        labels: ``(n,)`` 0 or 1.
        predictions: ``(n,)`` scores of any scale.
        groups: ``(n,)`` group of each row.

    Raises:
        ValueError: No group has both classes, shapes that do not fit, or numbers not
            finite.
    """
    values, weights = group_auc(labels, predictions, groups)
    return float(np.average(values, weights=weights))


def group_auc(labels: Array, predictions: Array, groups: Array) -> tuple[Array, Array]:
    """AUC and impressions of every group that has both classes.

    Args and raises: as :func:`gauc`.

    Returns:
        Two arrays ``(groups with both classes,)``, in order of the group.
    """
    labels, predictions = _pair(labels, predictions, binary=True)
    if np.shape(groups) != labels.shape:
        raise ConfigError(
            f"groups of shape {np.shape(groups)} and labels of shape {labels.shape} do "
            "not fit: give one group per row."
        )
    _, group = np.unique(groups, return_inverse=True)
    ranks = _average_ranks(predictions, group)
    count = np.bincount(group)
    n1 = np.bincount(group, weights=labels)
    rank_sum = np.bincount(group, weights=labels * ranks)
    both = (n1 > 0) & (n1 < count)
    if not both.any():
        raise DataError(
            f"GAUC needs a group with both classes, and none of the {len(count)} "
            "groups has: evaluate on data with positives and negatives of one user."
        )
    n1, rank_sum, count = n1[both], rank_sum[both], count[both]
    return (rank_sum - n1 * (n1 + 1) / 2) / (n1 * (count - n1)), count.astype(float)


def logloss(labels: Array, predictions: Array, from_logits: bool = False) -> float:
    """Mean negative log likelihood of binary labels, in nats.

    Args:
        labels: ``(n,)`` 0 or 1.
        predictions: ``(n,)`` probabilities, or logits.
        from_logits: Whether predictions are logits; exact for large ones too.

    Raises:
        ValueError: A probability outside [0, 1], labels that are not binary, shapes
            that do not fit, or numbers not finite.
    """
    return float(log_losses(labels, predictions, from_logits).mean())


def log_losses(labels: Array, predictions: Array, from_logits: bool = False) -> Array:
    """The terms of :func:`logloss`: ``(n,)``.

    A probability of exactly 0 or 1 is moved by the spacing of float64 at 1, which
    bounds a term at 36 nats.
    """
    labels, predictions = _pair(labels, predictions, binary=True)
    if from_logits:
        return np.logaddexp(0, np.where(labels == 1, -predictions, predictions))
    if predictions.min() < 0 or predictions.max() > 1:
        raise DataError(
            f"predictions reach from {predictions.min():g} to {predictions.max():g}, "
            "which are no probabilities: pass from_logits=True for logits."
        )
    spacing = np.finfo(float).eps
    chance = np.where(labels == 1, predictions, 1 - predictions)
    return -np.log(np.clip(chance, spacing, 1 - spacing))


def rmse(labels: Array, predictions: Array) -> float:
    """Root of the mean squared error, in units of the label.

    Raises:
        ValueError: Shapes that do not fit, or numbers not finite.
    """
    labels, predictions = _pair(labels, predictions)
    return float(np.sqrt(np.mean((labels - predictions) ** 2)))


def mae(labels: Array, predictions: Array) -> float:
    """Mean absolute error, in units of the label.

    Raises:
        ValueError: Shapes that do not fit, or numbers not finite.
    """
    labels, predictions = _pair(labels, predictions)
    return float(np.mean(np.abs(labels - predictions)))


def weighted_per_user_loss(before: Array, negatives: Array, watch_time: Array) -> float:
    """Mispredicted watch time as a share of all watch time over impression pairs.

    Covington et al. 2016, section 4.3: of a watched and an unwatched impression of one
    user, the watch time is mispredicted when the unwatched one has the higher score.

    Args:
        before: ``(n,)`` unwatched impressions with a higher score than the watched one;
            one with its score counts one half.
        negatives: ``(n,)`` unwatched impressions beside each watched one.
        watch_time: ``(n,)`` watch time of the watched impressions, in any unit.

    Raises:
        DataError: Watch time is negative, or there is none.
    """
    before, watch_time = np.asarray(before, float), np.asarray(watch_time, float)
    if not len(watch_time) or watch_time.min() < 0 or watch_time.sum() <= 0:
        raise DataError(
            "the watch time of the events is negative or all zero: name the column of "
            "the amount as the label."
        )
    return float(np.sum(watch_time * before) / np.sum(watch_time * negatives))
