"""Search for hyper-parameters with keras-tuner, over the ranges of a model's Config."""

from tfrec.tuning.engine import ALGORITHMS
from tfrec.tuning.tuner import Tuner

__all__ = ["ALGORITHMS", "Tuner"]
