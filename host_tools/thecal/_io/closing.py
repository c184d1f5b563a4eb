"""What is given back by `close` and stands in a `with`."""

from types import TracebackType
from typing import Self


class Closing:
    """`with` enters the object itself and closes it, whatever happened inside."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held; harmless when that has been done."""
        raise NotImplementedError
