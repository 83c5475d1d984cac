"""Adam, Adagrad and FTRL that touch only the embedding rows a batch has read.

An embedding table gets its gradient as ``tf.IndexedSlices``: the rows that the batch
looked up. Keras's Adam nevertheless decays and writes every row of the table and of
both moments in every step, which costs more than the rest of the step as soon as the
table is large. The optimizers here read, update and write the looked-up rows only.
"""

from tfrec.optimizers.adagrad import Adagrad
from tfrec.optimizers.adam import Adam
from tfrec.optimizers.ftrl import Ftrl
from tfrec.optimizers.momentum_adagrad import MomentumAdagrad

__all__ = ["Adagrad", "Adam", "Ftrl", "MomentumAdagrad"]
