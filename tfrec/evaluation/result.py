"""What an evaluation found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfrec import metrics
from tfrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Result:
    """Metrics of one model on one data set under one protocol.

    Attributes:
        model: Name of the model.
        data: Name of the data.
        protocol: The protocol in one line.
        sampled: Whether ranks are among sampled candidates only.
        metrics: Value by name, such as ``ndcg@10``.
        standard_error: Standard error by name, where the metric has one: of the mean
            over users (or events), by which the users could have been others.
        users: Number of users measured.
        events: Number of events measured.
        cold_users: Users left out because nothing was known of them.
        left_out: Number of events left out, by reason.
        tied: Share of the measured places, 0 to 1, whose item has the score of others:
            of all places of the lists, or, where each event has one relevant item, of
            the places of these. Metrics are expected values over the orders of tied
            items, each equally likely.
        user: ``(n,)`` user of each row of ``per_user``, by the user index or, where
            several people share it, the number of :attr:`Interactions.person`.
        per_user: Value of each user (of each event, in protocols of events), for
            paired tests and distributions.
        seconds: Time taken.
    """

    model: str
    data: str
    protocol: str
    sampled: bool
    metrics: dict[str, float]
    standard_error: dict[str, float]
    users: int
    events: int
    cold_users: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    tied: float = 0.0
    user: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32), repr=False)
    per_user: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    seconds: float = 0.0

    def __getitem__(self, metric: str) -> float:
        return self.metrics[metric]

    @property
    def measured(self) -> str:
        """How many users and events the metrics were taken of, and who was left out."""
        parts = [f"{self.users:,} users, {self.events:,} events"]
        if self.cold_users:
            parts.append(f"{self.cold_users:,} cold users left out")
        if self.left_out:
            reasons = (f"{reason}: {n:,}" for reason, n in self.left_out.items())
            total = sum(self.left_out.values())
            parts.append(f"{total:,} events left out ({', '.join(reasons)})")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """All but the arrays, as JSON takes it: None where there is no error."""
        return {
            "model": self.model,
            "data": self.data,
            "protocol": self.protocol,
            "sampled": self.sampled,
            "metrics": dict(self.metrics),
            "standard_error": {
                name: None if math.isnan(error) else error
                for name, error in self.standard_error.items()
            },
            "users": self.users,
            "events": self.events,
            "cold_users": self.cold_users,
            "left_out": dict(self.left_out),
            "tied": self.tied,
            "seconds": self.seconds,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Result:
        """Inverse of :meth:`to_dict`.

        Raises:
            DataError: A field is missing or unknown.
        """
        try:
            errors = values["standard_error"]
            known = {k: math.nan if e is None else e for k, e in errors.items()}
            return cls(**{**values, "standard_error": known})
        except (AttributeError, KeyError, TypeError) as why:
            raise DataError(f"these are not the fields of a result: {why}.") from why


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent values and its standard error (NaN for a single value)."""
    if len(values) < 2:
        return float(values.mean()), math.nan
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def one_relevant(
    above: np.ndarray, tied: np.ndarray, cutoffs: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Metrics of lists with a single relevant item, which recall and hit rate share.

    Args:
        above: ``(n,)`` number of items with a higher score than the relevant one.
        tied: ``(n,)`` number of other items with its score.
        cutoffs: Cutoffs.

    Returns:
        Value of each list by metric, such as ``ndcg@10``.
    """
    place, above, tied = np.arange(max(cutoffs)), above[:, None], tied[:, None]
    found = (above <= place) & (place <= above + tied)
    sharing, one = np.where(found, tied + 1, 1), np.ones(len(found), int)
    return {
        f"{metric}@{k}": metrics.RANKING[metric](found, one, k, sharing)
        for k in cutoffs
        for metric in ("hit_rate", "ndcg", "mrr")
    }


def summarise(
    per_user: dict[str, np.ndarray],
) -> tuple[dict[str, float], dict[str, float]]:
    """Means and standard errors by metric."""
    both = {metric: mean_and_error(each) for metric, each in per_user.items()}
    values = {metric: value for metric, (value, _) in both.items()}
    return values, {metric: error for metric, (_, error) in both.items()}
