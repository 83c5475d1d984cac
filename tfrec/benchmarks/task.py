"""What a published number was measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfrec.data.interactions import Interactions
from tfrec.evaluation.protocols import Protocol
from tfrec.features import FeatureSpec


@dataclass(frozen=True)
class Task:
    """What a published number was measured on.

    Attributes:
        title: Data and split in a few words.
        spec: The columns that models read.
        train: What models learn from.
        test: What they are measured on.
        protocol: How.
        metrics: The metrics to report.
        valid: What training may be stopped by.
    """

    title: str
    spec: FeatureSpec
    train: Interactions
    test: Interactions
    protocol: Protocol
    metrics: tuple[str, ...]
    valid: Interactions | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics without their cutoffs."""
        return tuple(metric.partition("@")[0] for metric in self.metrics)


def leave_last_out(
    data: Interactions, title: str, protocol: Protocol, metrics: tuple[str, ...]
) -> Task:
    """Each user's last event for test, the one before for validation."""
    train, valid, test = data.split("leave_last_out")
    return Task(title, data.spec, train, test, protocol, metrics, valid)


def drawn_users(data: Interactions, count: int) -> np.ndarray:
    """``(events,)`` bool, those of users drawn with seed 0."""
    column = data.spec.user_column
    everybody = np.arange(column.first, column.size)
    chosen = np.random.default_rng(0).choice(everybody, count, replace=False)
    return np.isin(data.user, chosen)
