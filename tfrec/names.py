"""Names that a column can have: those that an input of a served model can have."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

from tfrec.errors import ConfigError

# Inputs that signatures have beside columns, and features that views add to them.
RESERVED = (
    "k",
    "exclude",
    "candidates",
    "within",
    "examples",
    "session_state",
    "session_version",
    "example_age",
    "self",
)
PLAIN = r"[A-Za-z][A-Za-z0-9_]*"


def is_plain(name: str) -> bool:
    """Whether a column can have the name.

    It becomes the name of an input of a signature, which is a word of Python and of
    TensorFlow's graphs; to these, ``K`` and ``k`` are one name.
    """
    if keyword.iskeyword(name) or name.lower() in RESERVED:
        return False
    return re.fullmatch(PLAIN, name) is not None


def plain(name: str) -> str:
    """The nearest name that a column can have: accents dropped, ``_`` for the rest."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", letters).strip("_")
    if not re.match(r"[A-Za-z]", words):
        words = f"column_{words}".rstrip("_")
    return words if is_plain(words) else f"{words}_column"


def why_not(name: str) -> str:
    """The refusal of a name, up to the cure."""
    return (
        f"column '{name}' cannot name the input of a served model: such names are of "
        "ASCII letters, digits and underscores, begin with a letter, and are neither "
        f"words of Python nor {', '.join(RESERVED)}"
    )


def same_but_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that differ in case alone, so no signature has both; None without."""
    met: dict[str, str] = {}
    for name in names:
        other = met.setdefault(name.lower(), name)
        if other != name:
            return other, name
    return None


def check_name(name: str) -> None:
    """Refuses a name that a column cannot have.

    Raises:
        ConfigError: It is none; says what would be.
    """
    if not is_plain(name):
        raise ConfigError(f"{why_not(name)}; call it '{plain(name)}'.")
