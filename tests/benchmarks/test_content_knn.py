"""Neighbourhoods of texts against plain NumPy."""

import numpy as np

from tfrec.benchmarks.content_knn import ContentKNN


def cosines(tokens, size):
    counts = np.zeros((len(tokens), size))
    for row, own in enumerate(tokens):
        np.add.at(counts[row], own[own > 0], 1)
    seen = (counts > 0).sum(axis=0)
    values = counts * np.log(len(tokens) / np.maximum(seen, 1))
    norm = np.linalg.norm(values, axis=1, keepdims=True)
    unit = np.divide(values, norm, where=norm > 0, out=np.zeros_like(values))
    return unit @ unit.T


def test_scores_are_sums_of_cosines_of_what_was_taken(data):
    first, rare = data.spec.item_column.first, data.spec.item_column.size - 1
    some = data.take(data.item != rare)
    model = ContentKNN(data.spec, neighbours=30)
    model.compile()
    model.fit(some.batches(model, 7), verbose=0)
    tokens = data.items["title"][first:]
    near = cosines(tokens, data.spec.table("title").size)
    np.fill_diagonal(near, 0)
    users = np.array([3, 20], np.int32)
    found = model.catalogue_scores({"user_id/index": users}, model.catalogue_state())
    for user, scores in zip(users, found.numpy(), strict=True):
        taken = np.unique(some.item[some.user == user]) - first
        np.testing.assert_allclose(scores, near[:, taken].sum(axis=1), rtol=1e-4)
    assert found.numpy()[:, rare - first].max() > 0  # nobody took it


def test_few_neighbours_are_the_nearest(data):
    model = ContentKNN(data.spec, neighbours=3)
    model.compile()
    model.fit(data.batches(model, 16), verbose=0)
    near = cosines(
        data.items["title"][data.spec.item_column.first :],
        data.spec.table("title").size,
    )
    np.fill_diagonal(near, 0)
    best = np.sort(near, axis=1)[:, ::-1][:, :3]
    np.testing.assert_allclose(model.similarities, best, rtol=1e-4, atol=1e-6)
