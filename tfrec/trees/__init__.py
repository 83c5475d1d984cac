"""Trees over a catalogue: their arrangement, their arrays, and learning them anew."""

from tfrec.trees.learning import TreeLearning

__all__ = ["TreeLearning"]
