"""What a person would read of an answer."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from orchestrator.answer import Part
from orchestrator.terminal import print_parts


def text_of_parts(parts: Sequence[Part]) -> str:
    """Texts and tables as a terminal of 200 columns shows them."""
    stream = io.StringIO()
    print_parts(parts, Console(file=stream, width=200))
    return stream.getvalue()
