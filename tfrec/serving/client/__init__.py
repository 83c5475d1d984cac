"""Asking a model server, over REST or gRPC."""

from tfrec.serving.client.client import Client
from tfrec.serving.client.signature import Signature, TensorInfo

__all__ = ["Client", "Signature", "TensorInfo"]
