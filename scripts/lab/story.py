"""Prints a story of claims that were checked.

It never shows a state by colour alone, and never colours for a pipe or with NO_COLOR.
"""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Any


class Story:
    """Sections, lines and checks; remembers whether all checks held."""

    def __init__(self) -> None:
        self.failed = 0
        self.checks = 0
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        encoding = (sys.stdout.encoding or "").lower().replace("-", "")
        self._yes, self._no = ("✔ yes", "✘ NO") if encoding == "utf8" else ("yes", "NO")

    def _paint(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def title(self, text: str) -> None:
        print(f"\n{self._paint(text, '1')}\n{'-' * len(text)}", flush=True)

    def line(self, text: str = "") -> None:
        print(textwrap.fill(text, 96) if text else "", flush=True)

    def item(self, text: str) -> None:
        depth = "    " + " " * (len(text) - len(text.lstrip()))
        text = textwrap.fill(
            text.strip(), 96, initial_indent=depth, subsequent_indent=depth + "  ",
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
        print(text, flush=True)

    def check(self, claim: str, expected: Any, seen: Any) -> bool:
        """Prints a claim, with what was expected and seen where it does not hold."""
        self.checks += 1
        if expected == seen:
            print(f"  {self._paint(self._yes, '32')}  {claim}", flush=True)
            return True
        self.failed += 1
        print(f"  {self._paint(self._no, '31;1')}   {claim}", flush=True)
        print(f"         expected: {expected!r}\n         seen:     {seen!r}", flush=True)
        return False
