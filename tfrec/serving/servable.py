"""The graph that answers: what of a model serving needs, and its signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec import backend
from tfrec.errors import ConfigError
from tfrec.layers.categories import CategoryLookup, both
from tfrec.layers.inputs import Lookup
from tfrec.models.base import Recommender
from tfrec.models.rank import Wanted, rank
from tfrec.serving.audience import AudienceQuery
from tfrec.serving.checks import once_checked
from tfrec.serving.examples import parser
from tfrec.serving.live import Advance
from tfrec.serving.observe import Observe

Tensors = dict[str, tf.Tensor]
Specs = dict[str, Any]


@dataclass(frozen=True)
class Servable:
    """What goes into a SavedModel.

    Attributes:
        module: Holds every variable and lookup that the signatures reach.
        signatures: Concrete functions by name.
    """

    module: tf.Module
    signatures: dict[str, Any]


def servable(model: Recommender, audience: bool = False) -> Servable:
    """Freezes a model's catalogue and traces its signatures.

    ``serving_default`` takes the raw query columns, ``k`` (scalar int32, 1 ..
    items), ``exclude`` and ``candidates`` (``(batch, any)`` raw item ids, padded with
    ``""`` or -1; a row of padding excludes nothing, or restricts to nothing) and, if
    the model reads categories of items, ``within`` (``(batch, any)`` text
    ``column=value``, padded with ``""``: one of them is enough). It returns ``item_id``
    ``(batch, k)``, ``score`` ``(batch, k)`` float32 and ``cold`` ``(batch,)`` bool;
    where no item is left the id is padding and the score -inf. ``examples`` does the
    same from serialised ``tf.Example`` messages. ``score`` takes
    raw query and item columns of pairs; ``query_embedding`` and ``item_embedding``
    give the ``embedding`` ``(batch, dim)`` of the raw columns of their side. A model
    has the last three where it has the method behind them. Methods that a model names
    in ``pair_outputs`` are signatures too: raw query and item columns of pairs to what
    the method returns by name.

    ``advance``, of models that carry a state from item to item, takes a raw item id,
    ``session_state`` and ``session_version`` and returns, beside the answer, both after
    the item; see :class:`tfrec.serving.live.Advance`.

    ``observe``, of models that keep what users rated, takes raw user ids and what they
    rated since and returns the answer after it; see
    :class:`tfrec.serving.observe.Observe`.

    ``audience`` takes raw item columns and ``k`` and returns ``user_id`` and ``score``
    ``(batch, k)``: the users nearest by cosine.

    Args:
        model: A model that has met data.
        audience: Whether to hold the users' vectors and answer ``audience``.

    Raises:
        ValueError: The model has met no data, its items have no vocabulary, or it
            answers no audience query.
    """
    _check(model)
    model.ensure_built()
    spec, item = model.spec, model.spec.item_column
    state, held = _freeze(model.catalogue_state())
    popularity = _variable(model.catalogue.popularity())
    strangers = _variable(model.catalogue.strangers())
    ids = _variable(tf.constant(item.raw.tolist(), item.dtype))
    own = model.columns_layer.columns.get(spec.item)
    lookup = own.lookup if own is not None else Lookup(item)
    query = spec.tensor_specs(model.query_columns)
    items = spec.tensor_specs(model.item_columns)
    categories = model.catalogue.categories()
    within = CategoryLookup(categories) if categories.labels else None
    dtypes = {"exclude": item.dtype, "candidates": item.dtype}
    if within is not None:
        dtypes["within"] = "string"
    asked = {"k": tf.TensorSpec((), tf.int32, name="k")}
    for name, dtype in dtypes.items():
        asked[name] = tf.TensorSpec((None, None), dtype, name=name)
    examples = {"examples": tf.TensorSpec((None,), tf.string, name="examples")}
    parse = parser(spec, model.query_columns)

    def recommend(k: tf.Tensor, **features: tf.Tensor) -> Tensors:
        lists = {name: features.pop(name) for name in dtypes}
        checks = _checks(features, k, lists, item.size - item.first)
        k, features, lists = once_checked(checks, (k, features, lists))
        candidates = lookup(lists["candidates"])
        if within is not None:
            candidates = both(candidates, within(lists["within"]))
        found, score, cold = rank(
            model,
            features,
            Wanted(k, lookup(lists["exclude"]), candidates),
            state(),
            popularity.read_value(),
            strangers.read_value(),
        )
        return {"item_id": tf.gather(ids, found), "score": score, "cold": cold}

    default = _trace(recommend, {**query, **asked})

    def from_examples(examples: tf.Tensor, **values: tf.Tensor) -> Tensors:
        return default({**parse(examples), **values})

    signatures = {
        "serving_default": default,
        "examples": _trace(from_examples, {**examples, **asked}),
    }
    if type(model).call is not Recommender.call:
        signatures["score"] = _trace(
            lambda **features: {"score": model(features, training=False)},
            {**query, **items},
        )
    for name in getattr(model, "pair_outputs", ()):
        signatures[name] = _trace(_named(getattr(model, name)), {**query, **items})
    for name, columns in (("query_embedding", query), ("item_embedding", items)):
        if hasattr(model, name):
            signatures[name] = _trace(_embed(getattr(model, name)), columns)
    if hasattr(model, "advance"):
        live = Advance(model, lookup)

        def advance(**values: tf.Tensor) -> Tensors:
            vectors = state()["item"]
            return live(values, vectors, popularity.read_value(), ids.read_value())

        signatures["advance"] = _trace(advance, live.inputs)
    if hasattr(model, "scores_after"):
        newest = Observe(model, lookup)

        def observe(**values: tf.Tensor) -> Tensors:
            known = popularity.read_value(), strangers.read_value(), ids.read_value()
            return newest(values, state(), *known)

        signatures["observe"] = _trace(observe, newest.inputs)
    module = tf.Module(name="servable")
    if audience:
        module.audience = AudienceQuery(model)
        signatures["audience"] = _trace(module.audience, module.audience.inputs)
    module.catalogue = [*held, popularity, strangers, ids]
    module.within = within
    module.weights, module.lookups = _reached(model, lookup, signatures)
    return Servable(module, signatures)


def _check(model: Recommender) -> None:
    name, item = type(model).__name__, model.spec.item_column
    if not model.adapted:
        raise ConfigError(
            f"{name} has met no data, so it has neither items nor popularity to serve: "
            "call train.batches(model, n) or model.adapt(train) before export."
        )
    if item.hash_bins is not None:
        raise ConfigError(
            f"item column '{item.name}' is hashed into {item.hash_bins} bins, from "
            "which no id comes back: give it a vocabulary to serve recommendations."
        )


def _variable(value: tf.Tensor) -> tf.Variable:
    # A variable is restored from its own file; a constant would count against the
    # 2 GB that a graph may have. Ids are text, which no GPU holds.
    if value.dtype.is_floating:
        return tf.Variable(value, trainable=False)
    with tf.device("CPU"):
        return tf.Variable(value, trainable=False)


def _freeze(state: Any) -> tuple[Callable[[], Any], list[tf.Variable]]:
    """The catalogue's tensors as variables, and how to read them in a graph."""
    tensors = tf.nest.map_structure(
        lambda t: t.read_value() if isinstance(t, tf.Variable) else t, state
    )
    flat = tf.nest.flatten(tensors, expand_composites=True)
    held = [_variable(tf.convert_to_tensor(t)) for t in flat]

    def read() -> Any:
        values = [variable.read_value() for variable in held]
        return tf.nest.pack_sequence_as(tensors, values, expand_composites=True)

    return read, held


def _trace(function: Callable[..., Tensors], inputs: Specs) -> Any:
    return backend.traced(lambda values: function(**values), inputs)


def _embed(method: Callable[[Tensors], tf.Tensor]) -> Callable[..., Tensors]:
    return lambda **features: {"embedding": method(features)}


def _named(method: Callable[[Tensors], Tensors]) -> Callable[..., Tensors]:
    return lambda **features: method(features)


def _checks(
    features: Tensors, k: tf.Tensor, lists: Tensors, items: int
) -> list[tf.Operation | None]:
    batch = tf.shape(next(iter(features.values())))[0]
    message = (
        f"k is not between 1 and the {items} items of the catalogue: choose another."
    )
    checks = [
        tf.debugging.assert_positive(k, message),
        tf.debugging.assert_less_equal(k, items, message),
    ]
    for name, values in lists.items():
        # With fewer rows the last queries would get what they exclude.
        checks.append(
            tf.debugging.assert_equal(
                tf.shape(values)[0],
                batch,
                f"{name} needs one row for each query, padded to one length: give a "
                "row of padding where there is nothing to name.",
            )
        )
    for name, values in features.items():
        checks.append(
            tf.debugging.assert_equal(
                tf.shape(values)[0],
                batch,
                f"{name} has not the batch size of {next(iter(features))}: give one "
                "value for each query.",
            )
        )
    return checks


def _reached(
    model: Recommender, lookup: Lookup, signatures: dict[str, Any]
) -> tuple[list[tf.Variable], list[Any]]:
    """The weights and lookup tables that the signatures use, and no others."""
    handles = {
        id(captured)
        for function in signatures.values()
        for captured, _ in function.graph.captures
    }
    weights = {
        id(variable.handle): variable
        for function in signatures.values()
        for variable in function.variables
    }
    # A function does not list a variable that only the body of a loop reads.
    for variable in model.variables:
        if id(variable.handle) in handles:
            weights.setdefault(id(variable.handle), variable)
    lookups = [lookup, *(m for m in model.submodules if isinstance(m, Lookup))]
    tables = {id(lookup.table): lookup.table for lookup in lookups if lookup.table}
    used = [t for t in tables.values() if id(t.resource_handle) in handles]
    return list(weights.values()), used
