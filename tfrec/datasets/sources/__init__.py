"""Where data sets come from: TFDS builders, archives, caches."""
