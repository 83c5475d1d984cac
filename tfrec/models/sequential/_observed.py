"""What models do with events that come after training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfrec.data.persons import rows_of
from tfrec.data.timeline import Timeline
from tfrec.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.models.base import Recommender


def check_observed(model: Recommender, data: Interactions) -> None:
    """Refuses events that cannot follow what a model was trained on.

    Raises:
        ValueError: The model has met no data, or the ids have other numbers.
    """
    spec = model.spec
    if not model.adapted:
        raise ConfigError(
            f"{type(model).__name__} has met no data that newer events could follow: "
            "train it first."
        )
    for name in (spec.user, spec.item):
        if name not in data.spec or data.spec[name] != spec[name]:
            raise DataError(
                f"column '{name}' of the model is not that of {data.name}: load the "
                "newer events with the model's spec."
            )


def remember(model: Recommender, data: Interactions) -> None:
    """Adds events to what users have seen and, if positive, to popularity."""
    arrays, spec = model.catalogue.arrays, model.spec
    newer, size = rows_of(data), spec.user_column.size
    starts = arrays["start"], newer.start
    users = [np.repeat(np.arange(size), np.diff(start)) for start in starts]
    items = np.concatenate([arrays["seen"], newer.items])
    joined = Timeline.of(np.concatenate(users), items, None, size)
    arrays["start"] = joined.start.astype(np.int64, copy=False)
    arrays["seen"] = joined.items
    arrays["counts"] = arrays["counts"] + data.item_counts.astype(np.float32)
    for name, values in model.catalogue.disliked(data).items():
        arrays[name] = np.union1d(arrays.get(name, values), values)
