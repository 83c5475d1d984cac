"""MetaProd2Vec: metadata of several columns."""

import dataclasses

import numpy as np

from tfrec.features import Categorical
from tfrec.models.embeddings.meta_prod2vec import MetaProd2Vec


def test_each_column_has_rows_of_its_own(data, randomise):
    """An item never met is the mean of all its metadata."""
    studio = Categorical("studio", "item", vocabulary=("north", "south", "west"))
    spec = data.spec.select("history", "genres").replace(studio)
    items = {"genres": data.items["genres"]}
    items["studio"] = np.array([0, 0, *(2 + np.arange(30) % 3)], np.int32)
    both = dataclasses.replace(data, spec=spec, items=items)
    cold = spec.item_column.size - 2
    assert np.any(items["genres"][cold] == 0)
    train = both.take(both.item != cold)
    model = MetaProd2Vec(spec, dim=4)
    model.adapt(train)
    randomise(model)
    table = model.outputs_meta.embeddings.numpy()
    sizes = {name: spec.table(name).size for name in ("genres", "studio")}
    assert len(table) == sum(sizes.values())
    rows, begin = [], 0
    for name in model.item_columns[1:]:
        index = np.atleast_1d(items[name][cold])
        rows += list(begin + index[index > 0])
        begin += sizes[name]
    features = {"movie_id/index": np.array([cold])}
    for name in sizes:
        features[f"{name}/index"] = items[name][cold][None]
    found = model.item_embedding(features).numpy()[0, :4]
    np.testing.assert_allclose(found, table[rows].mean(axis=0), rtol=1e-5)
