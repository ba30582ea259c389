"""The memo of the pickle machine: what every slot holds, as far as that can matter and there is room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from scanner.errors import BudgetExceeded, FormatError
from scanner.wire.pickle_shapes import Shapes
from scanner.wire.pickle_values import FORGOTTEN, Global, Result, Sequence, Table

_SLOTS = 200_000
"""How many slots of each kind (plain data, containers, objects) are remembered."""
_CONTAINERS = 20_000
_GLOBALS = 1_000_000
_RECENT = 512
_HOLLOW_TABLE: Final = Table(whole=False, hollow=True)
_HOLLOW_SEQUENCE: Final = Sequence(hollow=True)


class Memory:
    """The memo, forgetful beyond bounds. Imports are never forgotten: there, the machine gives up."""

    def forget_all(self) -> None:
        """Begin a pickle."""
        self.shapes = Shapes()
        self._memo: dict[int, Any] = {}
        self._recent: dict[int, tuple[int, str]] = {}
        self._older: dict[int, tuple[int, str]] = {}
        self._kept = 0
        self._kept_objects = 0
        self._kept_containers = 0
        self._harmless = bytearray()
        """For each filled slot whether it holds no object, nor a tuple in which there may be some."""
        self._filled = 0
        self._sparse: set[int] = set()

    @property
    def memoised(self) -> int:
        """Number of memo slots that are filled: the index that MEMOIZE takes."""
        return self._filled + len(self._sparse)

    @property
    def ordered(self) -> bool:
        """Whether the filled slots are those from zero on, as picklers write them."""
        return not self._sparse

    def recall(self, index: int) -> Any:
        """What the memo holds; where it was not kept, ``FORGOTTEN``, or an unknown object if it may be one.

        Raises:
            FormatError: Nothing was ever stored there.
        """
        value = self._memo.get(index, self)
        if value is not self:
            return value
        if index < self._filled or index in self._sparse:
            harmless = index < len(self._harmless) and self._harmless[index]
            return FORGOTTEN if harmless else Result(None, ())
        raise FormatError(f"memo slot {index} is empty")

    def memoise_unseen(self, count: int) -> None:
        """Fill ``count`` slots with values that are not kept; only where ``ordered``."""
        self._filled += count
        self._harmless += bytes(count)

    def keep(self, names: Iterable[Any]) -> None:
        """Texts that serve as names are kept, even where there was no more room for them as data."""
        for name in names if self._recent or self._older else ():
            index, value = self._recent.get(id(name)) or self._older.get(id(name)) or (0, None)
            if value is name and self._kept < 2 * _SLOTS:
                self._kept += 1
                self._memo[index] = value

    def memoise(self, index: int, value: Any) -> None:
        """Put a value into a slot.

        Raises:
            BudgetExceeded: There are more imports, or slots out of order, than can be remembered.
        """
        harmless = not isinstance(value, Global | Result | tuple)
        if index < self._filled or index in self._sparse:
            self.shapes.forget()
            self._memo.pop(index, None)
            if index < self._filled:
                self._harmless[index] = harmless
        elif index == self._filled:
            self._filled += 1
            self._harmless.append(harmless)
            while self._filled in self._sparse:
                self._sparse.remove(self._filled)
                self._filled += 1
                self._harmless.append(False)
        else:
            self._sparse.add(index)
            if len(self._sparse) > _SLOTS:
                raise BudgetExceeded("memo slots out of order", _SLOTS)
        self._remember(index, value)

    def _remember(self, index: int, value: Any) -> None:
        if isinstance(value, Table | Sequence):
            # Large pickles have many; of what is in them, no more than the first ones' is worth the memory.
            self._kept_containers += 1
            if self._kept_containers > _CONTAINERS:
                value = _HOLLOW_TABLE if isinstance(value, Table) else _HOLLOW_SEQUENCE
            if self._kept_containers <= _SLOTS:
                self._memo[index] = value
        elif isinstance(value, Global | Result):
            self._kept_objects += 1
            if isinstance(value, Global) or self._kept_objects <= _SLOTS:
                self._memo[index] = value
            if self._kept_objects > _GLOBALS and isinstance(value, Global):
                raise BudgetExceeded("memoised imports", _GLOBALS)
        elif self._kept < _SLOTS:
            self._kept += 1
            self._memo[index] = value
        elif isinstance(value, str):
            if len(self._recent) >= _RECENT:
                self._older, self._recent = self._recent, {}
            self._recent[id(value)] = (index, value)
