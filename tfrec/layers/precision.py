"""Full precision for layers that cannot be told their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tfrec import keras


@contextmanager
def full_precision() -> Iterator[None]:
    """Keras layers made and called inside compute in float32, whatever the policy.

    For layers of other packages that make further layers inside ``call`` and take no
    ``dtype``: under a mixed policy they would cast some of their inputs to 16 bits and
    add to them what 16 bits cannot hold.
    """
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(policy)
