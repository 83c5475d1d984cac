"""Models out of the door: SavedModels that answer from raw ids."""

from tfrec.serving.check import Request, answer, answers
from tfrec.serving.export import export
from tfrec.serving.load import Served, load

__all__ = ["Request", "Served", "answer", "answers", "export", "load"]
