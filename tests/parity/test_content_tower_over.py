"""ContentTower over another catalogue: what histories read of items that are new."""

import dataclasses

import numpy as np

from tfrec.models.content.content_tower import ContentTower


def test_a_new_item_begins_anew_and_the_others_keep_their_vectors(data, randomise):
    spec = data.spec.select("history", "genres")
    data = data.with_spec(spec)
    model = ContentTower(spec, dim=4)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    old = spec.item_column
    new = dataclasses.replace(old, vocabulary=("n0", *old.vocabulary))
    rows = np.array([0, 1, 5, *range(2, old.size)])
    grown = dataclasses.replace(
        data,
        spec=spec.replace(new),
        columns={**data.columns, "movie_id": data.item + np.int32(1)},
        items={name: table[rows] for name, table in data.items.items()},
        item_names=None,
    )
    before = model.query_features.tables["movie_id"].embeddings.numpy()
    table = model.over(grown).query_features.tables["movie_id"].embeddings.numpy()
    np.testing.assert_array_equal(table[3:], before[2:])
    np.testing.assert_array_equal(table[:2], before[:2])  # padding and unknown
    assert 0 < np.abs(table[2]).max() <= 0.05  # as every vector before training
