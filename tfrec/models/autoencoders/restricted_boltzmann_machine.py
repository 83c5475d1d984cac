"""A Boltzmann machine for the ratings of a user, or of an item."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tensorflow as tf

from tfrec import keras
from tfrec.data.matrix import Matrix
from tfrec.errors import ConfigError
from tfrec.layers.boltzmann import Machine
from tfrec.layers.sparse_rows import Entries
from tfrec.losses import weighted_mean
from tfrec.models.autoencoders._rating_values import FromRatingValues, log_losses
from tfrec.models.autoencoders._ratings import Rated
from tfrec.models.baselines._closed_form import OwnLoss
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.families import Tensors

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class RestrictedBoltzmannMachine(OwnLoss, FromRatingValues):
    """Softmax ratings and binary hidden units, for each row a machine of its own.

    Salakhutdinov et al. 2007, "Restricted Boltzmann Machines for Collaborative
    Filtering", equations 1, 2, 6, 9 and 11, for a row v with a rating v_i in each place
    i that has one, k of the K rating values, and r_i = 1 where something was rated::

        p(v_i = k | h) = softmax over k of (b_ik + sum_j W_ikj h_j)
        p(h_j = 1 | v, r) = sigmoid(c_j + sum_i W_i(v_i)j + sum_i r_i D_ij)
        step of W_ikj: <[v_i = k] h_j> of the data - <[v_i = k] h_j> after T Gibbs steps
        step of D_ij:  (<h_j> of the data - <h_j> after T Gibbs steps) r_i

    Places without a rating are no part of the machine. A rating is predicted by
    ``p(v_i = k | h)`` with ``p(h_j = 1 | v, r)`` for h; its expected value is the
    score, and :meth:`distribution` gives all of it, also as a served signature. D is
    there when ``conditional``; r also marks pairs that were rated nobody knows how,
    which ``adapt(data, rated=...)`` names.

    T is 1 at first and grows by 1 every ``growth`` steps of the optimizer, up to
    ``gibbs_steps``. The loss that is shown is the mean ``-log p(v_i | h)`` of the
    ratings, with the first h drawn; in validation with its mean.

    Differs from the paper: the steps go through Adam and not through momentum. The norm
    of W and D is spread over the ratings of the data instead of all W shrinking in
    every step, so that a batch touches its own part. The rating values are all that
    occur in the data, up to ``levels``: half stars are ten. b adds to the logarithm of
    the share of each value, which answers for users and items without ratings.

    See :class:`~tfrec.models.autoencoders._ratings.FromRatings` for what is known of a
    user.

    Args:
        spec: The columns; user id, item id and label are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 expected ratings.

    Raises:
        ValueError: Hashed ids; no label, more rating values than ``levels``, or one
            that the model has no unit for.

    Example:
        >>> model = RestrictedBoltzmannMachine(data.spec, levels=5)
        >>> model.compile()
        >>> model.fit(train.batches(model, 128), epochs=50)
        >>> model.distribution({"user_id": ["42"], "movie_id": ["7"]})["probability"]
    """

    paper = "Salakhutdinov et al. 2007, RBMs for Collaborative Filtering"
    objective = "contrastive divergence on rating rows"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            rows: Whose rows are machines: ``user`` or ``item``.
            hidden: Hidden units.
            levels: Most rating values there may be; room is made for so many.
            conditional: Whether what was rated counts, beside how.
            gibbs_steps: T in the end.
            growth: Steps of the optimizer after which T grows.
            l2: lambda of ``lambda / 2 (|W|^2 + |D|^2)``, against the sum over rows.
            stddev: Of the initial W and D.
            learning_rate: Of Adam.
        """

        rows: Literal["user", "item"] = "user"
        hidden: Annotated[int, Tune(16, 512, log=True)] = 100
        levels: int = 10
        conditional: Annotated[bool, Tune(choices=(False, True))] = False
        gibbs_steps: Annotated[int, Tune(1, 9)] = 5
        growth: Annotated[int, Tune(50, 1000, log=True)] = 200
        l2: Annotated[float, Tune(0.01, 100.0, log=True)] = 1.0
        stddev: float = 0.01
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, (own, other) = self.config, self.sides
        for name in ("hidden", "levels", "gibbs_steps", "growth"):
            if getattr(config, name) < 1:
                raise ConfigError(f"{name}={getattr(config, name)} must be 1 or more.")

        def weight(name: str, *shape: int, drawn: bool = False, **more: Any) -> Any:
            initial: Any = "zeros"
            if drawn:
                seed = next(self.seeds)
                initial = keras.initializers.RandomNormal(0, config.stddev, seed=seed)
            more |= {"initializer": initial, "experimental_autocast": False}
            return self.add_weight(name, shape, **more)

        levels, hidden = config.levels, config.hidden
        self.weights_table = weight("weights", other.size, levels, hidden, drawn=True)
        self.bias = weight("bias", other.size, levels)
        self.hidden_bias = weight("hidden_bias", hidden)
        if config.conditional:
            self.rated_table = weight("rated", other.size, hidden, drawn=True)
            sizes = (own.size, other.size)
            self.rated_pairs = Rated(self.catalogue, "rated_pairs", sizes)

    def adapt(self, data: Interactions, rated: Interactions | None = None) -> None:
        """Takes over the item table, popularity and the rows of training data.

        Args:
            data: Events with ratings; the rating values are those of the first.
            rated: Events of which only counts that they were rated, for the conditional
                machine; the same columns.

        Raises:
            ValueError: No label, more rating values than ``levels``, one that there is
                no unit for, or ``rated`` for a machine that is not conditional.
        """
        if rated is not None and not self.config.conditional:
            raise ConfigError(
                "only a conditional machine reads what was rated: build it with "
                "conditional=True, or leave rated out."
            )
        super().adapt(data)
        if self.config.conditional:
            both = data if rated is None else data.concat(rated)
            unlabelled = dataclasses.replace(data.spec, label=None, min_label=None)
            both = dataclasses.replace(both, spec=unlabelled)
            self.rated_pairs.put(Matrix.of(both, self.side))

    def _given(self, rows: tf.Tensor) -> tf.Tensor:
        """``c_j + sum_i r_i D_ij``: ``(rows, hidden)`` or ``(1, hidden)``."""
        if not self.config.conditional:
            return self.hidden_bias[None]
        entries = self.rated_pairs.entries(rows, ones=True)
        total = entries.times(tf.gather(self.rated_table, entries.ids))
        return self.hidden_bias + total

    def hidden_of(self, rows: tf.Tensor) -> tf.Tensor:
        """``p(h_j = 1 | v, r)`` of ``(batch,)`` rows as the model knows them."""
        entries = self.rated.entries(rows)
        units = self.units_of(entries.value)
        return tf.sigmoid(self._machine(rows, entries).sums(units))

    def known_rows(self, rows: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: the row has something to go by."""
        pairs = self.rated_pairs if self.config.conditional else self.rated
        return pairs.length(rows) > 0

    def _seeds(self) -> tf.Tensor:
        """``(gibbs_steps, 2)`` int32, others in every step and on every replica."""
        context = tf.distribute.get_replica_context()
        step = tf.cast(self.optimizer.iterations, tf.int32)
        step *= context.num_replicas_in_sync
        step += tf.cast(context.replica_id_in_sync_group, tf.int32)
        most = self.config.gibbs_steps
        # Two apart: a step takes a seed and the one after.
        place = 2 * (step * most + tf.range(most))
        return tf.stack([tf.fill([most], self.config.seed), place], axis=1)

    def _machine(self, rows: tf.Tensor, entries: Entries) -> Machine:
        return Machine(
            entries,
            tf.gather(self.weights_table, entries.ids),
            tf.gather(self.bias, entries.ids) + self.log_share,
            self._given(rows),
        )

    def train_step(self, data: Any) -> Tensors:
        """One step of contrastive divergence, as slopes of a difference of energies."""
        features, _, weight = keras.utils.unpack_x_y_sample_weight(data)
        rows, entries = self.batch_rows(features)
        units, config = self.units_of(entries.value), self.config
        counts = tf.gather(self.rated.held["counts"], entries.ids)
        share = tf.math.divide_no_nan(entries.counts(), counts)
        step = tf.cast(self.optimizer.iterations, tf.int32)
        steps = tf.minimum(config.gibbs_steps, 1 + step // config.growth)
        with tf.GradientTape() as tape:
            machine = self._machine(rows, entries)
            start = machine.sums(units)
            with tape.stop_recording():
                end, logits = machine.chain(start, steps, self._seeds())
            energy = machine.energy(units, start)
            energy -= machine.energy(end, machine.sums(end))
            norms = tf.reduce_sum(machine.weights**2, axis=(1, 2))
            if config.conditional:
                found = tf.gather(self.rated_table, entries.ids)
                norms += tf.reduce_sum(found**2, axis=1)
            penalty = config.l2 / 2 * tf.reduce_sum(share * norms)
            loss = weighted_mean(energy, weight)
            loss += penalty / tf.cast(entries.rows, tf.float32)
            loss /= tf.distribute.get_strategy().num_replicas_in_sync
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return self.report(log_losses(logits, units))

    def test_step(self, data: Any) -> Tensors:
        """``-log p`` of ratings, from the rows that the model knows."""
        rows, entries = self.batch_rows(keras.utils.unpack_x_y_sample_weight(data)[0])
        logits = self._machine(rows, entries).logits(self.hidden_of(rows))
        there = tf.gather(self.known_rows(rows), entries.row)
        counts = tf.gather(self.rated.held["counts"], entries.ids)
        there &= tf.gather(counts > 0, entries.place)
        logits = tf.where(there[:, None], logits, self.log_share)
        return self.report(log_losses(logits, self.units_of(entries.value)))
