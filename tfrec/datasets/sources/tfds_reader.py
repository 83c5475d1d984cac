"""TFDS splits as Arrow tables: records parsed in batches, not one by one."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np
import pyarrow as pa

BATCH = 16_384


def read(builder: Any) -> pa.Table:
    """Reads the ``train`` split of a prepared TFDS builder.

    TFDS parses example by example; here batches of serialised records go through
    ``tf.io.parse_example``, ten times as fast.

    Args:
        builder: A prepared builder with flat features.

    Returns:
        One column per feature; class labels by name, lists as lists, strings
        dictionary-encoded.
    """
    import tensorflow as tf

    features = builder.info.features
    kinds = {name: _storage(features[name]) for name in features}
    parse = {
        name: (tf.io.RaggedFeature if ragged else _scalar)(dtype)
        for name, (dtype, ragged) in kinds.items()
    }
    records = tf.data.TFRecordDataset(builder.info.splits["train"].filepaths)
    batches = records.batch(BATCH).map(lambda x: tf.io.parse_example(x, parse))
    columns: dict[str, list[pa.Array]] = {name: [] for name in kinds}
    for batch in batches.prefetch(1):
        for name, values in batch.items():
            columns[name].append(_arrow(features[name], values))
    return pa.table(
        {
            name: pa.chunked_array(chunks).unify_dictionaries()
            for name, chunks in columns.items()
        }
    )


def _scalar(dtype: Any) -> Any:
    import tensorflow as tf

    return tf.io.FixedLenFeature((), dtype)


def _storage(feature: Any) -> tuple[Any, bool]:
    """How TFDS stores a feature in ``tf.train.Example``: type, and whether a list."""
    import tensorflow as tf

    dtype = tf.as_dtype(feature.np_dtype)
    if dtype.is_integer or dtype == tf.bool:
        dtype = tf.int64
    return dtype, feature.shape == (None,)


def _arrow(feature: Any, values: Any) -> pa.Array:
    """A batch of one feature as an Arrow array."""
    splits = getattr(values, "row_splits", None)
    flat = (values if splits is None else values.flat_values).numpy()
    names = getattr(getattr(feature, "feature", feature), "names", None)
    if names:
        array = pa.DictionaryArray.from_arrays(flat.astype(np.int32), names)
    elif flat.dtype == object:
        array = pa.array(flat, pa.binary()).cast(pa.string()).dictionary_encode()
    else:
        array = pa.array(flat)
    if splits is None:
        return array
    return pa.ListArray.from_arrays(splits.numpy().astype(np.int32), array)


def prepare(builder: Any) -> None:
    """Prepares a TFDS builder once; TFDS shows its progress on standard error.

    Args:
        builder: A builder, prepared or not.
    """
    import tensorflow_datasets as tfds

    # Looking for a ready copy in a bucket would need the network.
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    with contextlib.redirect_stdout(sys.stderr):
        builder.download_and_prepare(download_config=config)
