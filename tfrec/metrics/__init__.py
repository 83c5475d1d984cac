"""Metrics as pure, vectorised NumPy functions, in float64."""

from tfrec.metrics.lists import LISTS, average_popularity, coverage, gini, novelty
from tfrec.metrics.pairs import (
    auc,
    auc_with_error,
    gauc,
    group_auc,
    log_losses,
    logloss,
    mae,
    rmse,
    weighted_per_user_loss,
)
from tfrec.metrics.ranking import (
    RANKING,
    average_precision,
    hit_rate,
    mrr,
    ndcg,
    precision,
    recall,
)

__all__ = [
    "LISTS",
    "RANKING",
    "auc",
    "auc_with_error",
    "average_popularity",
    "average_precision",
    "coverage",
    "gauc",
    "gini",
    "group_auc",
    "hit_rate",
    "log_losses",
    "logloss",
    "mae",
    "mrr",
    "ndcg",
    "novelty",
    "precision",
    "recall",
    "rmse",
    "weighted_per_user_loss",
]
