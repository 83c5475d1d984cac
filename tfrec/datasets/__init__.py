"""Data sets by name, and interactions from files.

One module registers one data set; TensorFlow and TFDS load only when data do.
"""

from tfrec.datasets.ctr_logs import avazu, criteo, criteo_mapping
from tfrec.datasets.files import from_file
from tfrec.datasets.registry import load, names, register

__all__ = [
    "avazu",
    "criteo",
    "criteo_mapping",
    "from_file",
    "load",
    "names",
    "register",
]
