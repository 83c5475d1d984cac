"""Tree-based deep match."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tensorflow as tf

from tfrec.data.views import Positives
from tfrec.layers.embedding import table
from tfrec.losses import weighted_mean
from tfrec.models.base import Recommender
from tfrec.models.config import Config as BaseConfig
from tfrec.models.config import Tune
from tfrec.models.explain import Reason, occlusions
from tfrec.models.families import PAIRS, BatchLoss, Tensors, cosine_to_all
from tfrec.models.first_callback import fit_with
from tfrec.models.retrieval._nodes import NodeNetwork, check, history_of, in_parts
from tfrec.trees import arrange
from tfrec.trees.beam import Open, beam_search, best_named
from tfrec.trees.learning import TreeLearning
from tfrec.trees.tree import Tree

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions

AT_ONCE = PAIRS // 4


class TreeDeepMatch(BatchLoss, Recommender):
    """A binary tree over all items, walked from the root to the best leaves (TDM).

    Zhu et al. 2018, "Learning Tree-based Deep Model for Recommender Systems". A network
    says whether a user is interested in a node, which is a leaf (an item) or stands for
    all items below it (section 3.2, figure 2)::

        logit(n | u) = MLP([z_1(n); ...; z_W(n); e_n; other columns])

    with the windows z of the history, averaged as the node sees them, see
    :class:`tfrec.layers.windows.WindowedAttention`. An item of the history has the
    vector of its leaf. An event makes its item and the item's ancestors positives, and
    nodes of each level, drawn uniformly without the positive, negatives; the loss of an
    event is the log loss added up over all these nodes (equation 4). :meth:`search` is
    Algorithm 1: level by level the best ``beam`` nodes, and of those the children. A
    query that names candidates has them all scored instead. The first tree is laid by
    category, and, with ``learn_tree``, trees after it by k-means on the learned leaves
    (section 3.3).

    Differs from the paper: windows are counts of entries, latest first, as histories
    have no times; the average of one is over the entries it has, where the authors'
    code divides by its length. The activation unit takes the product entry by entry, as
    that code does, where the paper draws an outer one. One logit stands for the softmax
    over two. All leaves are on one level. Of the negatives, of which the paper says
    there are more near the leaves, a third are leaves, as in that code, and the levels
    above share the rest in proportion to their number. A new tree keeps the network and
    the leaves' vectors, and its inner nodes start as the mean of the leaves below them,
    which the network can score already, instead of from nothing; Adam's moments of the
    old ones stay. User-side and context columns are read where the spec has them; the
    paper has none. Without ``category`` the first tree is random.

    Args:
        spec: The columns, among them a ``Sequence`` of the item column, whose items
            have a vocabulary.
        **config: See ``Config``.

    Call: history ``(batch, length)``, other columns, item ids ``(batch,)`` to
    ``(batch,)`` float32 logits of the leaves.

    Raises:
        ValueError: The spec declares no history or hashes its items, ``category`` is no
            categorical column of items, or a size is not positive.

    Example:
        >>> spec = data.spec.select("history", "genres")
        >>> model = TreeDeepMatch(spec, category="genres", learn_tree=2)
        >>> model.compile()
        >>> model.fit(train.batches(model, 512), epochs=6)
    """

    paper = "Zhu et al. 2018, Learning Tree-based Deep Model for Recommender Systems"
    objective = "log loss on the ancestors of events and drawn nodes of their levels"

    searches = True

    @dataclass(frozen=True)
    class Config(BaseConfig):
        """Hyper-parameters.

        Attributes:
            dim: Width of the nodes' vectors.
            layers: Hidden widths of the MLP.
            attention_units: Hidden width of the activation unit.
            windows: Entries of the history in each window, the latest first; the last
                window takes whatever is left too.
            negatives: Nodes drawn for an event, on all levels together.
            category: Categorical column of items by which the first tree is laid.
            learn_tree: Epochs between two trees in ``fit``; 0 to keep the first.
            beam: Nodes of a level that a search keeps; ``k`` where that is more.
            learning_rate: Of Adam.
        """

        dim: Annotated[int, Tune(8, 64, log=True)] = 24
        layers: tuple[int, ...] = (128, 64, 24)
        attention_units: Annotated[int, Tune(8, 64, log=True)] = 36
        windows: tuple[int, ...] = (1, 2, 4, 8, 16)
        negatives: Annotated[int, Tune(20, 400, log=True)] = 100
        category: str | None = None
        learn_tree: int = 0
        beam: Annotated[int, Tune(10, 200, log=True)] = 50
        learning_rate: Annotated[float, Tune(1e-4, 1e-2, log=True)] = 1e-3

    def __init__(self, spec: Any, config: Any = None, **hyper_parameters: Any) -> None:
        super().__init__(spec, config, **hyper_parameters)
        config, item = self.config, self.spec.item_column
        check(self.spec, config)
        self.tree = Tree(item.first, item.size, config.seed)
        self.leaves = table(item.size, config.dim, next(self.seeds), name=item.name)
        self.inner = table(
            2**self.tree.depth, config.dim, next(self.seeds), name="inner_nodes"
        )
        self.inner.build(None)  # the score of a pair reads no inner node
        self.network = NodeNetwork(
            self.spec, self.query_columns[1:], config, self.seeds
        )

    @property
    def query_columns(self) -> tuple[str, ...]:
        """The history first, then all user-side and context columns."""
        history = history_of(self.spec)
        columns = (*self.spec.on("user"), *self.spec.on("context"))
        skip = (self.spec.user, history)
        return (history, *(c.name for c in columns if c.name not in skip))

    def view(self) -> Positives:
        """Events with the history before each."""
        return Positives()

    # What the network says

    def _logits(
        self, inputs: Tensors, nodes: tf.Tensor, training: bool | None = None
    ) -> tf.Tensor:
        """Vectors of nodes ``(batch or 1, nodes, dim)`` to ``(batch, nodes)``."""
        history = inputs[self.query_columns[0]]
        vectors = self.leaves(history)
        return self.network(inputs, vectors, history > 0, nodes, training=training)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """The logit of the item's leaf."""
        inputs = self.lookup(features)
        leaf = self.leaves(inputs[self.spec.item])[:, None]
        return self._logits(inputs, leaf, training)[:, 0]

    def attention(self, features: Tensors) -> tf.Tensor:
        """How much each entry of the history matters to the item's leaf.

        Args:
            features: Raw or looked-up features of pairs.

        Returns:
            ``(batch, length)`` float32; exactly 0 for padding.
        """
        inputs = self.lookup(features)
        history = inputs[self.query_columns[0]]
        leaf = self.leaves(inputs[self.spec.item])[:, None]
        weights = self.network.windows.weights_of(
            self.leaves(history), history > 0, leaf
        )
        return tf.cast(weights[..., 0], tf.float32)

    def reasons(self, pair: Tensors) -> list[Reason]:
        """Items of the history by the attention of the leaf, and other columns."""
        return occlusions(self, pair, {self.query_columns[0]: self.attention(pair)})

    def batch_loss(
        self, features: Tensors, weight: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """Equation 4, a mean over the events of what their nodes lose together."""
        inputs = self.lookup(features)
        items, first = inputs[self.spec.item], self.tree.first
        # An item outside the vocabulary has no leaf, and its event no weight.
        known = tf.cast(items >= first, tf.float32)
        items = tf.maximum(items, first)
        counts = self.tree.counts(self.config.negatives)
        drawn_inner, drawn_items = self.tree.negatives(items, counts, self.step_seed())
        inner = tf.concat([self.tree.inner_rows(items), drawn_inner], axis=1)
        leaves = tf.concat([items[:, None], drawn_items], axis=1)
        nodes = tf.concat([self.inner(inner), self.leaves(leaves)], axis=1)
        depth = self.tree.depth
        target = np.zeros(depth + sum(counts), np.float32)
        target[: depth - 1] = target[depth - 1 + sum(counts[:-1])] = 1
        logits = self._logits(inputs, nodes, training)
        losses = tf.nn.softplus(logits) - logits * target
        return weighted_mean(tf.reduce_sum(losses, axis=1) * known, weight)

    # The tree

    def adapt(self, data: Interactions) -> None:
        """Takes over the catalogue and, the first time, lays the tree by category."""
        first_time = not self.adapted
        super().adapt(data)
        if first_time and self.config.category is not None:
            categories = data.items[self.config.category][self.tree.first :]
            self.tree.plant(arrange.by_category(categories, self.config.seed))

    def learn_tree(self, seed: int = 0) -> None:
        """Lays the tree by the leaves' vectors; inner nodes become means of leaves."""
        vectors = self.leaves.embeddings.numpy()[self.tree.first :]
        self.tree.plant(arrange.by_clusters(vectors, seed))
        self.inner.embeddings.assign(self.tree.means(vectors))

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Keras's ``fit``; with ``learn_tree`` tree and network take turns."""
        if not self.config.learn_tree:
            return super().fit(*args, **kwargs)
        turns = TreeLearning(self.config.learn_tree)
        return fit_with(turns, super().fit, *args, **kwargs)

    # Ranking

    def catalogue_state(self) -> Tensors:
        """The indices of all items."""
        return self.catalogue.items()

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Scores of all leaves."""
        items = self.lookup(state)[self.spec.item]
        scores = self._leaf_scores(self.lookup(features), items[None])
        return tf.ensure_shape(scores, [None, self.tree.items])

    def _leaf_scores(self, inputs: Tensors, items: tf.Tensor) -> tf.Tensor:
        """Item indices ``(batch or 1, n)`` to ``(batch, n)``."""
        queries = {name: inputs[name] for name in self.query_columns}

        def score(some: Tensors, of: tf.Tensor) -> tf.Tensor:
            return self._logits(some, self.leaves(of))

        return in_parts(score, queries, items, AT_ONCE)

    def search(
        self,
        features: Tensors,
        k: tf.Tensor,
        exclude: tf.Tensor,
        candidates: tf.Tensor,
        state: Tensors,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The walk down the tree, Algorithm 1; rows with candidates are all scored."""
        inputs, tree = self.lookup(features), self.tree

        def score(level: int, codes: tf.Tensor) -> tf.Tensor:
            if level < tree.depth:
                return self._logits(inputs, self.inner(codes + 2**level))
            return self._logits(inputs, self.leaves(tf.gather(tree.item_of, codes)))

        found = beam_search(tree, score, self.config.beam, k, Open(tree, exclude))
        restricted = tf.reduce_any(candidates != 0, axis=1)[:, None]

        def named() -> list[tf.Tensor]:
            leaves = partial(self._leaf_scores, inputs)
            exact = best_named(leaves, candidates, exclude, tree.first, k)
            pairs = zip(exact, found, strict=True)
            return [tf.where(restricted, new, old) for new, old in pairs]

        items, scores = tf.cond(tf.reduce_any(restricted), named, lambda: [*found])
        return items, scores

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """Cosine of the leaves."""
        vectors = self.leaves.embeddings[self.tree.first :]
        return cosine_to_all(vectors, items, self.tree.first)
