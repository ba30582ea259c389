"""Lines of a known width on a console: wrapped, indented, counted; never read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from scanner.report.grouping import visible

# For terminals and files that cannot show the signs.
_ASCII = str.maketrans({"✗": "x", "·": "-", "→": ">", "…": "...", "›": ">", "×": "x"})
_WIDEST = 100


@dataclass(frozen=True, slots=True)
class Line:
    """A line before it is cut to the width: what it says, how far it is indented, its style."""

    text: str
    style: str = ""
    indent: int = 2
    hang: int = 0
    """Further indent of continued lines."""
    rows: int = 2
    """How many rows it may take on one screen; with ``-v`` it takes what it needs."""


class Printer:
    """Writes lines cut to the width, and counts them."""

    def __init__(self, console: Console, *, everything: bool) -> None:
        self._console = console
        self._everything = everything
        self.width = max(20, min(console.width, _WIDEST))
        self._ascii = console.options.ascii_only
        self.printed = 0

    def wrapped(self, line: Line) -> list[Text]:
        """The lines that one becomes; words longer than a line are broken."""
        text = visible(line.text)
        if self._ascii:
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
        room = self.width - line.indent
        if not self._everything:
            text = text[: room * (line.rows + 1)]
        first = Text(text, style=line.style).wrap(self._console, room)
        rows = list(first)
        if line.hang and len(rows) > 1:
            rest = Text(text[len(rows[0].plain) :].lstrip(), style=line.style)
            rows = [rows[0], *rest.wrap(self._console, room - line.hang)]
        if not self._everything and len(rows) > line.rows:
            rows = rows[: line.rows]
            rows[-1].truncate(room - line.hang - 3)
            rows[-1].append("..." if self._ascii else "…")
        made = []
        for number, row in enumerate(rows):
            row.rstrip()
            pad = line.indent + (line.hang if number else 0)
            made.append(Text(" " * pad).append_text(row))
        return made

    def lines(self, lines: Iterable[Line]) -> None:
        """Print lines."""
        for line in lines:
            for row in self.wrapped(line):
                self._out(row)

    def blank(self) -> None:
        """Print an empty row."""
        self._out(Text())

    def banner(self, word: str, style: str, name: str) -> None:
        """Print the verdict on its colour, and beside it what it is about; one row."""
        shown = visible(name)
        if self._ascii:
            shown = shown.encode("ascii", "backslashreplace").decode()
        # The padding belongs to the coloured field; where there is none, a line starts with the word.
        field = f" {word} " if self._console.color_system else f"{word} "
        row = Text(field, style=style).append(f" {shown}", style="bold not reverse")
        row.truncate(self.width, overflow="ellipsis" if not self._ascii else "crop")
        self._out(row)

    def height(self, lines: Sequence[Line]) -> int:
        """How many rows lines will take."""
        return sum(len(self.wrapped(line)) for line in lines)

    def _out(self, row: Text) -> None:
        self._console.print(row, soft_wrap=True, highlight=False, markup=False, emoji=False)
        self.printed += 1
