"""How good a model is: protocols, the evaluator, a Keras callback, tables, plots.

Models are measured outside themselves, so they save and train as ever. The names below
are the whole public interface:

- :class:`Evaluator` measures one model: ``Evaluator(test, protocol).evaluate(model)``;
- protocols: :class:`FullRanking` (the default), :class:`EventRanking`,
  :class:`InTurn`, :class:`SampledNegatives`, :class:`RatingPrediction`,
  :class:`BinaryClassification`;
- :class:`RankingCallback` measures after every epoch of ``fit``;
- :func:`report` puts models side by side, simple ones among them;
- :mod:`~tfrec.evaluation.plots` draws learning curves and recall over k;
- :mod:`~tfrec.evaluation.ranking` ranks for any score function, in bounded memory.
"""

from tfrec.evaluation.callback import RankingCallback
from tfrec.evaluation.evaluator import Evaluator
from tfrec.evaluation.protocols import (
    BinaryClassification,
    EventRanking,
    FullRanking,
    InTurn,
    Protocol,
    RatingPrediction,
    SampledNegatives,
)
from tfrec.evaluation.report import report
from tfrec.evaluation.result import Result
from tfrec.evaluation.table import Report

__all__ = [
    "BinaryClassification",
    "Evaluator",
    "EventRanking",
    "FullRanking",
    "InTurn",
    "Protocol",
    "RankingCallback",
    "RatingPrediction",
    "Report",
    "Result",
    "SampledNegatives",
    "report",
]
