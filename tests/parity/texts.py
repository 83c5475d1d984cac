"""Factors beside a text in plain NumPy: the closed forms and the objective."""

import numpy as np

from tfrec.models.autoencoders._views import TextsAndTakers

A, B, LAMBDA_U, LAMBDA_V = 2.0, 0.1, 0.7, 3.0
SETTINGS = {
    "confidence": A,
    "unobserved_confidence": B,
    "lambda_u": LAMBDA_U,
    "lambda_v": LAMBDA_V,
    "lambda_w": 5.0,
    "noise": 0.4,
}


def built(cls, data, randomise, **config):
    """A model whose factors and network are far from nothing."""
    model = cls(data.spec, dim=3, **SETTINGS, **config)
    model.adapt(data)
    model.compile()
    randomise(model)
    rng = np.random.default_rng(3)
    for factors, first in ((model.user_factors, 2), (model.item_factors, 2)):
        values = rng.normal(0, 0.5, factors.shape)
        values[:first] = 0  # of padding and of unknown ids
        factors.assign(values)
    return model


def a_batch(data, size=8):
    """A batch of :class:`TextsAndTakers` over part of the events."""
    some = data.take(np.arange(250))
    return next(iter(some.batches(TextsAndTakers("title", 100), size)))


def numbers(batch):
    return {name: tensor.numpy() for name, tensor in batch.items()}


def solve(other, taken, penalty, prior):
    """Row by row: confidence a for what was taken, b for the rest."""
    rows = []
    for own, code in zip(taken, prior, strict=True):
        weight = np.full(len(other), B)
        weight[own[own > 0]] = A
        rating = np.zeros(len(other))
        rating[own[own > 0]] = 1
        matrix = other.T @ (weight[:, None] * other) + penalty * np.eye(3)
        rows.append(
            np.linalg.solve(matrix, other.T @ (weight * rating) + penalty * code)
        )
    return np.array(rows)


def solved(model, batch, code):
    """Both factors after a step's users and then its items."""
    b = numbers(batch)
    users, items = (
        f.numpy().astype(float) for f in (model.user_factors, model.item_factors)
    )
    user, item = b["user_id/index"], b["movie_id/index"]
    real = user > 0
    users[user[real]] = solve(
        items, b["items"][real], LAMBDA_U, np.zeros((real.sum(), 3))
    )
    real = item > 0
    items[item[real]] = solve(users, b["users"][real], LAMBDA_V, code[real])
    return users, items


def objective(batch, users, items, code, content):
    """The negated log likelihood of a batch, all but the network's weights."""
    b, total, count = numbers(batch), 0.0, 0
    for row, item in enumerate(b["movie_id/index"]):
        if item == 0:
            continue
        weight, rating = np.full(len(users), B), np.zeros(len(users))
        own = b["users"][row][b["users"][row] > 0]
        weight[own], rating[own] = A, 1
        total += np.sum(weight / 2 * (rating - users @ items[item]) ** 2)
        total += LAMBDA_V / 2 * np.sum((items[item] - code[row]) ** 2) + content[row]
        count += 1
    own = users[b["user_id/index"][b["user_id/index"] > 0]]
    return (total + LAMBDA_U / 2 * np.sum(own**2)) / count


def decay(weights, items):
    """``lambda_w / 2`` times all squares, by item."""
    squares = sum(np.sum(values**2) for values in weights.values())
    return SETTINGS["lambda_w"] / 2 * squares / items
