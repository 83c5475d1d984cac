"""Models out of the door: SavedModels that answer from raw ids."""

from tfrec.serving.check import FreshProcess, Request, answer, answers
from tfrec.serving.client import Client
from tfrec.serving.embedding_store import EmbeddingStore
from tfrec.serving.embeddings import Table, embeddings
from tfrec.serving.export import export
from tfrec.serving.load import Served, load
from tfrec.serving.two_stage import TwoStage

__all__ = [
    "Client",
    "EmbeddingStore",
    "FreshProcess",
    "Request",
    "Served",
    "Table",
    "TwoStage",
    "answer",
    "answers",
    "embeddings",
    "export",
    "load",
]
