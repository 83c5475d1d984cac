"""The command line: ``tfrec``."""

from __future__ import annotations

from typing import NoReturn

from tfrec.cli import interrupts

__all__ = ["main"]


def main() -> NoReturn:
    """Entry point of the ``tfrec`` script."""
    interrupts.sigterm_as_ctrl_c()
    with interrupts.ending_at_once():
        from tfrec.cli import app
    app.main()
