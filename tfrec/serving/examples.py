"""Raw features from ``tf.Example`` messages in which any may be missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrec.features import PADDING, FeatureSpec, Numeric

Tensors = dict[str, tf.Tensor]


def parser(spec: FeatureSpec, names: tuple[str, ...]) -> Callable[[tf.Tensor], Tensors]:
    """Parses messages for serving: what one does not hold becomes padding.

    A missing id or text is padding, a missing number NaN, which the model reads as the
    mean; a missing bag or sequence is empty. Images and recordings must be there.

    Args:
        spec: The columns.
        names: Those to parse.

    Returns:
        ``(batch,)`` serialised messages to raw features as in
        ``spec.tensor_specs(names)``.
    """
    features = spec.parse_spec(names)
    for name, feature in features.items():
        column = spec[name]
        if not isinstance(feature, tf.io.FixedLenFeature):
            continue
        if isinstance(column, Numeric):
            missing = np.full(column.shape, np.nan).tolist()
            features[name] = feature._replace(default_value=missing)
        elif column.kind not in ("image", "audio"):
            missing = PADDING[spec.raw_dtype(name)]
            features[name] = feature._replace(default_value=missing)

    def parse(examples: tf.Tensor) -> Tensors:
        parsed = tf.io.parse_example(examples, features)
        return {
            name: value.to_tensor(PADDING[spec.raw_dtype(name)])
            if isinstance(value, tf.RaggedTensor)
            else value
            for name, value in parsed.items()
        }

    return parse
