"""Recency: strictly before the event, per user."""

import dataclasses

import numpy as np
import pytest

from tfrec.data.recency import COUNT, SINCE, with_recency


def test_it_looks_at_what_is_strictly_earlier(data):
    found = with_recency(data)
    for row in range(0, len(data), 7):
        earlier = (data.user == data.user[row]) & (data.timestamp < data.timestamp[row])
        assert found.columns[COUNT][row] == earlier.sum()
        if earlier.any():
            gap = data.seconds[row] - data.seconds[earlier].max()
            assert found.columns[SINCE][row] == gap
        else:
            assert np.isnan(found.columns[SINCE][row])
    assert found.spec[SINCE].side == "context"
    assert found.spec[COUNT].normalisation == "quantile"


def test_the_future_changes_nothing(data):
    half = np.flatnonzero(data.timestamp <= np.median(data.timestamp))
    alone, whole = with_recency(data.take(half)), with_recency(data)
    for name in (SINCE, COUNT):
        np.testing.assert_array_equal(alone.columns[name], whole.columns[name][half])


def test_quantiles_are_those_of_the_rows_asked_for(data):
    rows = np.arange(100)
    column = with_recency(data, rows).spec[COUNT]
    values = with_recency(data).columns[COUNT][rows]
    assert column.boundaries[-1] == values.max()
    assert column.boundaries[50] == np.median(values)


def test_without_times_there_is_none(data):
    blind = dataclasses.replace(
        data, spec=dataclasses.replace(data.spec, timestamp=None)
    )
    with pytest.raises(ValueError, match="small has no timestamp, and recency"):
        with_recency(blind)
