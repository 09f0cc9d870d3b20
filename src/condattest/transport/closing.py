"""What is used by `with`, and closed at its end.

Owns `Closing`.
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """A context manager whose end is `close`."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held; as often as anybody likes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
