"""What the tests of models that read event times share."""

import numpy as np
import tensorflow as tf

DAY = 86_400
USER, ITEM = np.array([2, 5, 2, 9, 1, 6]), np.array([3, 3, 30, 1, 8, 12])
RATING = np.array([4.0, 1, 5, 3, 2, 4], np.float32)
IDS = {
    "user_id/index": tf.constant(USER, tf.int32),
    "movie_id/index": tf.constant(ITEM, tf.int32),
}
Weights = dict[str, np.ndarray]


def moments(data) -> np.ndarray:
    """Times of a batch: own days of users, a strange one, zero and the future."""
    time = data.seconds
    own = [time[data.user == user][3] for user in (2, 5)]
    return np.array([*own, own[0] + 40 * DAY, 0, time.min() + 7 * DAY, 2**40])


def batch(data) -> dict[str, tf.Tensor]:
    """The batch with its times."""
    return {**IDS, "timestamp": tf.constant(moments(data), tf.int64)}


def elapsed(data, time: np.ndarray) -> np.ndarray:
    """Place in the training period, 0 to 1."""
    first, last = data.seconds.min(), data.seconds.max()
    return (np.clip(time, first, last) - first) / (last - first)


def slices(data, time: np.ndarray, count: int) -> np.ndarray:
    """Which of equally long parts of the training period."""
    return np.minimum((elapsed(data, time) * count).astype(int), count - 1)


def squares(values: np.ndarray) -> float:
    """Squared norm of the rows of a batch, mean over its examples."""
    return np.sum(values**2) / len(USER)


def built(cls, data, randomise, **config):
    """A model of three factors whose every weight matters."""
    model = cls(data.spec, dim=3, **config)
    model.adapt(data)
    model.ensure_built()
    randomise(model)
    return model
