"""A user's taste as ripples that history sends through a knowledge graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from tfrec import backend, keras
from tfrec.data.knowledge import Edges
from tfrec.errors import ConfigError
from tfrec.layers.embedding import table
from tfrec.models.baselines._taken import item_count, taken_keys
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.explain import Reason, effects
from tfrec.models.families import Tensors, cosine_to_all
from tfrec.models.graph._knowledge import _OverGraph, masked_softmax

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions


class RippleNet(_OverGraph):
    """What a user took, and what follows from it, answers to an item.

    Wang, Zhang et al. 2018, "RippleNet: Propagating User Preferences on the Knowledge
    Graph for Recommender Systems", equations 2 to 7 and 13. Of the triples that lead
    away from what user u took, and then from where they led, ``memories`` are drawn for
    each of ``hops``. With (h, r, t) those of hop k::

        p   = softmax over the memories of v . R_r h
        o_k = sum over the memories of p t
        u   = o_1 + ... + o_hops        logit = u . v

    v is the item at hop 1 and o_k at hop k + 1 (``item_update="replace"``), or
    ``W (v + o_k)``, which then is the item in the logit too (``"transform"``, of the
    authors' code). ``kge_weight`` is that of ``- mean sigmoid(h . R_r t)`` of each hop,
    which makes the triples plausible; ``l2`` that of half the squared norm of the
    vectors that a batch touches and of all R.

    A hop that nothing leads to repeats the one before, as in the authors' code. Users
    of whom nothing is known to the graph score 0.

    Differs from the paper: equation 13 asks for ``h . R_r t = 1`` and for 0 of triples
    that are none; as in the authors' code it is the sigmoid, of true triples. Triples
    are drawn once, every n-th from a random one on.

    Args:
        spec: The columns; user and item id are read.
        **config: See ``Config``.

    Call: ids ``(batch,)`` each to ``(batch,)`` float32 logits.

    Raises:
        ConfigError: A size below 1, or items of which nothing is known.

    Example:
        >>> model = RippleNet(data.spec, hops=2, memories=32)
        >>> model.compile()
        >>> model.fit(train.batches(model, 1024), epochs=10)
    """

    paper = "Wang et al. 2018, RippleNet"
    objective = "log loss on items and the ripples of history in a graph"

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of embeddings.
            hops: How far history reaches.
            memories: Triples of each hop.
            item_update: ``replace`` or ``transform``.
            both_ways: Whether triples lead from tail to head too.
            kge_weight: Weight of the plausibility of triples.
            negatives: Items drawn for each event, which then is a positive; 0 to learn
                the label column, which must hold 0 and 1.
            l2: Weight of half the squared norm of touched rows.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 64, log=True)] = 16
        hops: Annotated[int, Tune(1, 3)] = 2
        memories: Annotated[int, Tune(8, 64, log=True)] = 32
        item_update: Literal["replace", "transform"] = "replace"
        both_ways: bool = False
        kge_weight: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 0.01
        negatives: Annotated[int, Tune(1, 8)] = 4
        l2: Annotated[float, Tune(1e-7, 1e-3, log=True)] = 1e-6
        learning_rate: Annotated[float, Tune(1e-4, 1e-1, log=True)] = 2e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, dim = self.config, self.config.dim
        for field in ("hops", "memories"):
            if getattr(config, field) < 1:
                raise ConfigError(
                    f"{field}={getattr(config, field)} must be 1 or more."
                )
        self.both_ways = config.both_ways
        kinds = len(self.relations)
        self.relation_table = table(kinds, dim * dim, next(self.seeds), dim**-0.5)
        self.relation_table.build(None)
        self.transform = None
        if config.item_update == "transform":
            initial = keras.initializers.GlorotUniform(next(self.seeds))
            self.transform = keras.layers.Dense(
                dim, use_bias=False, kernel_initializer=initial, dtype="float32"
            )
            self.transform.build((None, dim))
        shape = (self.spec.user_column.size, config.hops, config.memories)
        self.heads = self.drawn("heads", *shape)
        self.kinds = self.drawn("kinds", *shape)
        self.tails = self.drawn("tails", *shape)

    @property
    def _drawn(self) -> tuple[tf.Variable, ...]:
        """Heads, relations and tails, ``(users, hops, memories)`` each."""
        return self.heads, self.kinds, self.tails

    def take(self, edges: Edges, data: Interactions) -> None:
        """Draws every user's ripples."""
        config, arrays = self.config, self.catalogue.arrays
        random = np.random.default_rng(config.seed)
        owner = np.repeat(np.arange(self.heads.shape[0]), np.diff(arrays["start"]))
        keys = taken_keys(self.spec, owner, arrays["seen"])
        user, item = np.divmod(keys, item_count(self.spec))
        heads = item + self.spec.item_column.first
        starts = np.searchsorted(user, np.arange(self.heads.shape[0] + 1))
        found = np.zeros((3, *self.heads.shape), np.int32)
        for hop in range(config.hops):
            drawn = np.stack(edges.draw(heads, starts, config.memories, random))
            if hop:
                nothing = drawn[0, :, 0] == 0
                drawn[:, nothing] = found[:, nothing, hop - 1]
            found[:, :, hop] = drawn
            heads = drawn[2].ravel()
            starts = np.arange(len(starts)) * config.memories
        for weight, values in zip(self._drawn, found, strict=True):
            weight.assign(values)

    def ripples(self, user: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What is drawn for users, as vectors.

        Args:
            user: ``(batch,)`` user indices.

        Returns:
            Heads and tails ``(batch, hops, memories, dim)``, ``R_r h`` of the same
            shape, relations ``(batch, hops, memories, dim, dim)`` and the mask
            ``(batch, hops, memories)``.
        """
        dim, start = self.config.dim, self.node_table.embeddings
        heads = tf.gather(self.heads, user)
        kinds = tf.gather(self.relation_table.embeddings, tf.gather(self.kinds, user))
        kinds = tf.reshape(kinds, [*tf.unstack(tf.shape(heads)), dim, dim])
        head = tf.gather(start, heads)
        tail = tf.gather(start, tf.gather(self.tails, user))
        moved = tf.squeeze(tf.matmul(kinds, head[..., None]), axis=-1)
        return head, tail, moved, kinds, heads > 0

    def respond(
        self, item: tf.Tensor, moved: tf.Tensor, tail: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Logits of items, and which memories answered.

        Args:
            item: ``(batch or 1, items, dim)`` vectors.
            moved: ``(batch, hops, memories, dim)``, ``R_r h``.
            tail: Of the same shape.
            mask: ``(batch, hops, memories)``.

        Returns:
            ``(batch, items)`` logits, and of each hop p ``(batch, items, memories)``.
        """
        answers, weights, target = [], [], item
        for hop in range(self.config.hops):
            logits = tf.matmul(item, moved[:, hop], transpose_b=True)
            known = tf.broadcast_to(mask[:, hop, None, :], tf.shape(logits))
            weights.append(masked_softmax(logits, known))
            answers.append(tf.matmul(weights[-1], tail[:, hop]))
            if self.transform is None:
                item = answers[-1]
            else:
                item = target = self.transform(item + answers[-1])
        return tf.reduce_sum(tf.add_n(answers) * target, axis=-1), weights

    def pair_scores(self, inputs: Tensors, training: bool | None = None) -> tf.Tensor:
        """``u . v``; in training the penalties are added."""
        head, tail, moved, kinds, mask = self.ripples(inputs[self.spec.user])
        item = self.item_vectors(inputs)
        if training:
            self.penalty(item, head, tail, self.relation_table.embeddings[None])
            moved_back = tf.squeeze(tf.matmul(kinds, tail[..., None]), axis=-1)
            plausible = tf.sigmoid(tf.reduce_sum(head * moved_back, axis=-1))
            some = tf.cast(mask, tf.float32)
            total = tf.reduce_sum(plausible * some, axis=(0, 2))
            mean = tf.math.divide_no_nan(total, tf.reduce_sum(some, axis=(0, 2)))
            self.add_loss(-self.config.kge_weight * tf.reduce_sum(mean))
        return self.respond(item[:, None], moved, tail, mask)[0][:, 0]

    def reasons(self, pair: Tensors) -> list[Reason]:
        """Paths from what the user took, with the weight of their last triple."""
        inputs = self.lookup(pair)
        user, item = inputs[self.spec.user], self.item_vectors(inputs)
        _, tail, moved, _, mask = self.ripples(user)
        drawn = np.stack([part.numpy()[int(user[0])] for part in self._drawn])
        weights = self.respond(item[:, None], moved, tail, mask)[1]
        share = np.stack([weight[0, 0].numpy() for weight in weights])
        paths, slots, shares = [], [], []
        for hop in range(self.config.hops):
            for triple in sorted(set(map(tuple, drawn[:, hop].T.tolist()))):
                if not triple[0]:
                    continue
                own = np.zeros(share.shape, bool)
                own[hop] = (drawn[:, hop] == np.array(triple)[:, None]).all(axis=0)
                paths.append(self._path(drawn, hop, triple))
                slots.append(own)
                shares.append(float(share[own].sum()))

        def scores(changes: list[Any]) -> np.ndarray:
            kept = np.stack([mask.numpy()[0] & ~np.asarray(c) for c in changes])
            own, back, on = (
                tf.repeat(part, len(kept), axis=0) for part in (item, moved, tail)
            )
            found, _ = self.respond(own[:, None], back, on, tf.constant(kept))
            return found[:, 0].numpy()

        return effects(paths, slots, scores, shares)

    def _path(self, drawn: np.ndarray, hop: int, triple: tuple[int, ...]) -> str:
        """How history leads to a triple, through the first that leads to its head."""
        head, kind, tail = triple
        step = f" - {self.relations[kind]} - {self.name_of(tail)}"
        taken = int(self.spec.item_column.size)
        for before in range(hop - 1, -1, -1):
            led = np.flatnonzero(drawn[2, before] == head)
            if len(led):
                inner = tuple(drawn[:, before, led[0]].tolist())
                return self._path(drawn, before, inner) + step
        name = self.name_of(head)
        return (f"{self.spec.item} {name}" if head < taken else name) + step

    def catalogue_state(self) -> Tensors:
        """``item``: ``(items, dim)`` vectors of the whole vocabulary."""
        column = self.spec.item_column
        return {"item": self.node_table.embeddings[column.first : column.size]}

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """All items against one user's memories at a time."""
        user = self.lookup(features)[self.spec.user]

        def one(number: tf.Tensor) -> tf.Tensor:
            _, tail, moved, _, mask = self.ripples(number[None])
            return self.respond(state["item"][None], moved, tail, mask)[0][0]

        return backend.mapped(one, user)

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of items as entities."""
        vectors = self.catalogue_state()["item"]
        return cosine_to_all(vectors, items, self.spec.item_column.first)
