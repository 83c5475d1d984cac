"""Popularity that goes on counting: a companion of models that observe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfrec.errors import ConfigError
from tfrec.layers.clock import DAY
from tfrec.models.baselines.popularity import Popularity

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class RecentPopularity(Popularity):
    """Items by their events, those before discounted as every new one comes.

    Args:
        spec: The columns; the item id and the timestamp are read.
        **config: See :class:`Popularity`; a ``half_life`` is needed.

    Raises:
        ConfigError: No ``half_life``.
    """

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        if self.config.half_life is None:
            raise ConfigError("half_life=None discounts nothing: give days.")
        self.latest = self.add_weight(
            "latest", (), tf.int64, initializer="zeros", trainable=False
        )

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and the time of the latest event."""
        super().adapt(data)
        self.latest.assign(int(np.asarray(data.seconds).max()))

    def observe(self, data: Interactions) -> None:
        """Counts newer events, as if all had been counted at the latest of them."""
        times = np.asarray(data.seconds)
        before = int(self.latest.numpy())
        latest, half = max(before, int(times.max())), self.config.half_life * DAY
        counts = self.counts.numpy() * 2.0 ** ((before - latest) / half)
        known = data.item >= self.spec.item_column.first
        np.add.at(counts, data.item[known], 2.0 ** ((times[known] - latest) / half))
        self.counts.assign(counts)
        self.latest.assign(latest)
