"""The contract of every model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from tfrec import keras, optimizers
from tfrec.errors import ConfigError
from tfrec.features import FeatureSpec
from tfrec.layers.embedding import seed_stream
from tfrec.layers.inputs import Inputs
from tfrec.models.by_example import ByExample
from tfrec.models.catalogue import Catalogue
from tfrec.models.config import Config as BaseConfig

if TYPE_CHECKING:
    from tfrec.data.interactions import Interactions
    from tfrec.data.views import View
    from tfrec.models.explain import Explanation, Reason
    from tfrec.models.recommend import Recommendations

Tensors = dict[str, tf.Tensor]
STEPS_PER_EXECUTION = 32


class Recommender(ByExample):
    """A Keras model over a :class:`~tfrec.features.FeatureSpec`.

    A subclass declares its hyper-parameters in a nested ``Config``, says in
    ``query_columns`` and ``item_columns`` what it reads and in :meth:`view` what it
    learns from, and scores: :meth:`call` for pairs, :meth:`catalogue_scores` for all
    items.

    Args:
        spec: The columns of the data.
        config: Hyper-parameters; the defaults when None.
        **hyper_parameters: Fields of ``Config``, in place of those in ``config``.

    Raises:
        ConfigError: Unknown hyper-parameter, or a value of the wrong type.
    """

    paper: ClassVar[str]
    objective: ClassVar[str]
    searches: ClassVar[bool] = False
    Config: ClassVar[type[BaseConfig]] = BaseConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable("tfrec")(cls)

    def __init__(
        self,
        spec: FeatureSpec | dict[str, Any],
        config: BaseConfig | None = None,
        **hyper_parameters: Any,
    ) -> None:
        super().__init__(autocast=False)  # the layers cast, after normalisation
        self.spec = (
            spec if isinstance(spec, FeatureSpec) else FeatureSpec.from_dict(spec)
        )
        if config is None or hyper_parameters:
            given = config.to_dict() if config else {}
            config = self.Config.make({**given, **hyper_parameters})
        self.config: Any = config
        self.seeds = seed_stream(self.config.seed)
        self.columns_layer = Inputs(self.spec, self.columns)
        self.catalogue = Catalogue(self.spec, self.item_columns, self.query_columns)

    # What the model reads

    @property
    def query_columns(self) -> tuple[str, ...]:
        """Columns known when items are asked for: user side and context."""
        return (self.spec.user,)

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of an item."""
        return (self.spec.item,)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that the model reads."""
        return (*self.query_columns, *self.item_columns)

    @property
    def event_columns(self) -> tuple[str, ...]:
        """Columns of an event, outside the spec, that are read where they are known."""
        return ()

    def view(self) -> View:
        """What the model learns from."""
        raise NotImplementedError(f"{type(self).__name__} declares no view.")

    # What the model scores

    def lookup(self, features: Tensors) -> Tensors:
        """Raw or looked-up features to indices and normalised numbers."""
        return self.columns_layer(features)

    def call(self, features: Tensors, training: bool | None = None) -> tf.Tensor:
        """Scores of user-item pairs: features to ``(batch,)`` logits."""
        raise NotImplementedError(f"{type(self).__name__} scores no pairs.")

    def catalogue_state(self) -> Tensors:
        """What ranking all items needs and depends on the weights alone."""
        raise NotImplementedError(f"{type(self).__name__} ranks no catalogue.")

    def catalogue_scores(self, features: Tensors, state: Tensors) -> tf.Tensor:
        """Scores of all items, in the graph.

        Args:
            features: Query features.
            state: What :meth:`catalogue_state` returned.

        Returns:
            ``(batch, items)`` float32 over the item vocabulary in index order.
        """
        raise NotImplementedError(f"{type(self).__name__} ranks no catalogue.")

    def search(
        self,
        features: Tensors,
        k: tf.Tensor,
        exclude: tf.Tensor,
        candidates: tf.Tensor,
        state: Tensors,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The k best items without scoring all, if ``searches`` is set; in the graph.

        Args:
            features: Query features.
            k: Scalar int32.
            exclude: ``(batch, any)`` int32 item indices never to return, 0 is padding.
            candidates: ``(batch, any)`` int32 item indices to stay within, 0 is
                padding; a row of padding restricts nothing.
            state: What :meth:`catalogue_state` returned.

        Returns:
            Item indices ``(batch, k)`` int32, 0 where no item was left, and scores
            ``(batch, k)`` float32, -inf there.
        """
        raise NotImplementedError(f"{type(self).__name__} searches no index.")

    def item_similarity(self, items: tf.Tensor) -> tf.Tensor:
        """``(n,)`` item indices to ``(n, items)`` similarities; larger is nearer.

        Raises:
            ConfigError: The model has no notion of similar items.
        """
        raise ConfigError(f"{type(self).__name__} has no notion of similar items.")

    def cold(self, features: Tensors, strangers: tf.Tensor) -> tf.Tensor:
        """``(batch,)`` bool: the model knows nothing of this query.

        That is: a user without an event in training, no known item in a history, and
        no other user or context column.

        Args:
            features: Query features.
            strangers: ``(user table rows,)`` bool, users without an event.
        """
        spec, inputs = self.spec, self.lookup(features)
        users = inputs[self.query_columns[0]]
        cold = tf.ones(tf.shape(users)[:1], tf.bool)
        for name in self.query_columns:
            if name == spec.user:
                if spec.user_column.hash_bins is not None:
                    return tf.zeros_like(cold)
                cold &= tf.gather(strangers, inputs[name])
            elif spec[name].kind == "sequence":
                table = spec.table(name)
                nothing = table.first if table.hash_bins is None else 1
                cold &= tf.reduce_all(inputs[name] < nothing, axis=1)
            else:
                return tf.zeros_like(cold)
        return cold

    # Keras

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: the spec and the hyper-parameters."""
        return {"spec": self.spec.to_dict(), **self.config.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Recommender:
        """Inverse of :meth:`get_config`."""
        return cls(**config)

    def example(self, n: int = 2) -> Tensors:
        """Synthetic raw features of the columns the model reads."""
        rows = self.spec.select(*self.columns).synthetic(n)
        return {name: tf.constant(rows[name]) for name in self.columns}

    def ensure_built(self) -> None:
        """Creates all weights."""
        if not self.built:
            self(self.example())

    def get_build_config(self) -> dict[str, Any]:
        """What :meth:`build_from_config` needs; the spec says the rest."""
        return {"from_spec": True}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Creates all weights before they are loaded."""
        self.ensure_built()

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer of ``compile()`` without arguments.

        Adam with the epsilon of its paper: rows of embeddings get small gradients, and
        Keras's 1e-7 would hold them back.
        """
        rate = getattr(self.config, "learning_rate", 1e-3)
        return optimizers.Adam(rate, epsilon=1e-8)

    def default_loss(self) -> Any:
        """The loss of ``compile()`` without arguments; None if the model owns it."""
        return None

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        *,
        steps_per_execution: int | None = None,
        run_eagerly: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Keras's ``compile``; what is left out is the model's own.

        Args:
            optimizer: Row-sparse Adam of :mod:`tfrec.optimizers` by default.
            loss: The paper's loss by default.
            steps_per_execution: Steps in one call of the graph, 32 by default: at small
                batches most of the time is the call itself.
            run_eagerly: As in Keras.
            **kwargs: As in Keras.
        """
        self.ensure_built()
        super().compile(
            optimizer=optimizer or self.default_optimizer(),
            loss=loss or self.default_loss(),
            steps_per_execution=steps_per_execution
            or (1 if run_eagerly else STEPS_PER_EXECUTION),
            run_eagerly=run_eagerly,
            **kwargs,
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model as the saved one was, optimizer slots included.

        Raises:
            ValueError: The configuration names what no model file may.
        """
        from tfrec.models.objects import compile_arguments

        self.compile(**compile_arguments(config))
        self.make_slots()

    def save(self, filepath: str | Path, **kwargs: Any) -> None:
        """Writes a ``.keras`` file, beside and renamed, so never half a file.

        Raises:
            ValueError: The path does not end in ``.keras``.
        """
        from tfrec.models.saving import save

        save(partial(super().save, **kwargs), Path(filepath))

    # The verbs

    @property
    def adapted(self) -> bool:
        """Whether the model has met data: items, popularity, what users have seen."""
        return self.catalogue.known

    def adapt(self, data: Interactions) -> None:
        """Takes over the item table, popularity and histories of training data.

        Where the model declares no view, those of positive events.
        """
        learns = type(self).view is not Recommender.view
        self.catalogue.adapt(self.view().learned(data) if learns else data.positives)

    def recommend(
        self,
        features: dict[str, Any],
        k: int = 10,
        exclude: Any = None,
        drop_seen: bool = True,
        candidates: Any = None,
        within: Any = None,
    ) -> Recommendations:
        """The k best items for each query.

        Args:
            features: Raw query features, one value per query. The user id is enough:
                histories and user columns known from training are filled in.
            k: Items for each query.
            exclude: ``(queries, any)`` raw item ids never to return, padded.
            drop_seen: Whether items of the user's training events are left out.
            candidates: Raw item ids for each query to stay within, lists of any
                lengths; an empty list restricts nothing.
            within: For each query a list of categories as ``column=value`` to stay
                within, of item-side categorical columns that the model reads; one of
                them is enough. An empty list restricts nothing.

        Returns:
            Raw item ids and scores, best first; equal scores are in the order of the
            vocabulary. Queries of whom nothing is known are answered by popularity,
            marked ``cold`` and warned of.

        Raises:
            ValueError: ``k`` is not in 1 .. number of items, or a column is missing.
        """
        from tfrec.models.recommend import Only, recommend

        only = Only(candidates, within)
        return recommend(self, features, k, exclude, drop_seen, only)

    def similar_items(self, items: Any, k: int = 10) -> Recommendations:
        """The k items nearest to each of ``items``, itself left out.

        Args:
            items: ``(n,)`` raw item ids.
            k: Neighbours of each.

        Raises:
            ValueError: An unknown item, or a model without a notion of similarity.
        """
        from tfrec.models.recommend import similar_items

        return similar_items(self, items, k)

    def explain(self, features: dict[str, Any], item: Any, k: int = 3) -> Explanation:
        """Why an item: what speaks for it, and by how much its score falls without.

        Paths of a knowledge graph where the model reads one; else every item of the
        history and every other column, each taken away alone; else, of models that
        read ids alone, what the user took, by how near it is to the item.

        Args:
            features: Raw features of one query, as for :meth:`recommend`.
            item: Raw item id.
            k: Largest number of reasons.

        Raises:
            ValueError: An unknown item, several queries, or a model that scores no
                pairs or knows nothing that could be a reason.
        """
        from tfrec.models.explain import explain

        return explain(self, features, item, k)

    def reasons(self, pair: Tensors) -> list[Reason]:
        """All that speaks for or against the item of one pair of looked-up features."""
        from tfrec.models.explain import occlusions

        return occlusions(self, pair)

    def export(
        self,
        path: str | Path,
        metrics: dict[str, Any] | None = None,
        audience: bool = False,
    ) -> Path:
        """Writes a SavedModel for TF Serving; see :func:`tfrec.serving.export.export`.

        Args:
            path: Model directory; the version directory is made inside it.
            metrics: What to note in ``metrics.json``.
            audience: Whether to add the users' vectors and the ``audience`` signature,
                which names the users for an item.

        Returns:
            The version directory.
        """
        from tfrec.serving.export import export

        return export(self, path, metrics, audience)
