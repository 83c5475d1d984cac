"""The command line: ``tfrec``."""

from tfrec.cli.app import main

__all__ = ["main"]
