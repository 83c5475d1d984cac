"""How long ago and how often a user acted before an event, as columns of numbers."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfrec.data.interactions import Interactions
from tfrec.data.timeline import SECOND
from tfrec.errors import DataError
from tfrec.features import Numeric

SINCE, COUNT = "seconds_since_last", "previous_events"


def with_recency(data: Interactions, fit: np.ndarray | None = None) -> Interactions:
    """Adds the time since the user's last event and the number of events before.

    Covington et al. 2016, section 4.1: time since last watch and number of previous
    impressions, quantile-normalised. Both look at events strictly earlier than the
    event alone, so they may be computed before a split; the user's first event has no
    last one (missing).

    Args:
        data: Events with a timestamp.
        fit: Rows or mask from which the quantiles are learned, those of the training
            part; None for all.

    Returns:
        The events with the context columns ``seconds_since_last`` and
        ``previous_events``.

    Raises:
        DataError: There is no timestamp.
    """
    time = data.timestamp
    if time is None:
        raise DataError(
            f"{data.name} has no timestamp, and recency is a matter of time: name the "
            "column of event times."
        )
    line = data.all_events
    count = line.before - line.start[data.person]
    last = time[line.order[np.maximum(line.before - 1, 0)]]
    since = np.where(count > 0, (time - last) / SECOND, np.nan).astype(np.float32)
    columns, spec = dict(data.columns), data.spec
    for name, values in ((SINCE, since), (COUNT, count.astype(np.float32))):
        column = Numeric(name, "context", normalisation="quantile")
        spec = spec.replace(column.fit(values if fit is None else values[fit]))
        columns[name] = values
    return dataclasses.replace(data, spec=spec, columns=columns)
