"""A pool of worker processes under memory and wall-clock limits.

A task that hangs, dies or runs out of memory costs exactly the file it held. The pool knows
nothing of formats: it runs a picklable function over picklable items.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import as_completed
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that gave no result, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Task(Generic[Item]):
    """One item for the pool."""

    item: Item
    seconds: float
    """Wall-clock limit; the worker is killed and replaced beyond it."""


def _limit(memory: int) -> None:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - POSIX only

        # RLIMIT_DATA counts private writable memory, so mapped libraries do not eat the allowance.
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _guarded(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result | Failure]:
    """Run in the worker; a foreign exception is a bug of ours and costs one item."""
    results: list[Result | Failure] = []
    for item in items:
        try:
            results.append(function(item))
        except MemoryError:
            results.append(Failure("more memory was needed than the limit allows"))
        except Exception as error:  # noqa: BLE001 - the one catch-all: a bug must read as a gap
            trace = "".join(traceback.format_exception(error))
            ident = hashlib.sha256(_stable(error)).hexdigest()[:12]
            if os.environ.get("WEIGHBRIDGE_DEBUG"):
                sys.stderr.write(trace)
            name = type(error).__name__
            results.append(Failure(f"internal error {ident} ({name}): please report it"))
    return results


def _stable(error: BaseException) -> bytes:
    """Type and code places, without addresses or paths, so that one bug has one id."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{os.path.basename(f.filename)}:{f.name}:{f.lineno}" for f in frames)  # noqa: PTH119
    return "|".join((type(error).__name__, *places)).encode()


class Workers:
    """A context manager around the processes; they start with the first task."""

    def __init__(self, count: int | None = None, *, memory: int = 512 << 20) -> None:
        self.count = count or max(
            1,
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        )
        self._memory = memory
        self._pool: Any = None  # a ProcessPool; pebble is only partly typed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            if error is None:
                self._pool.close()
            else:
                self._pool.stop()
            self._pool.join()
            self._pool = None

    def _start(self) -> Any:
        if self._pool is None:
            method = "spawn" if sys.platform == "win32" else "forkserver"
            context: Any = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload(["scanner.examination"])
            self._pool = ProcessPool(
                max_workers=self.count,
                context=context,
                initializer=_limit,
                initargs=(self._memory,),
            )
        return self._pool

    def map(
        self, function: Callable[[Item], Result], batches: Sequence[Sequence[Task[Item]]]
    ) -> Iterator[tuple[int, int, Result | Failure]]:
        """Run every task; yields (batch, position in it, outcome) as they finish.

        A batch whose worker died or hung is run again item by item, so that only the culprit fails.
        """
        pool = self._start()
        again: list[tuple[int, int]] = []
        futures: dict[Any, int] = {}
        for index, batch in enumerate(batches):
            items = [task.item for task in batch]
            limit = sum(task.seconds for task in batch) if len(batch) == 1 else max(t.seconds for t in batch)
            futures[pool.schedule(_guarded, args=(function, items), timeout=limit)] = index
        for future in as_completed(futures):
            index = futures[future]
            size = len(batches[index])
            outcome = _outcome(future)
            if isinstance(outcome, Failure) and size > 1:
                again += [(index, position) for position in range(size)]
            elif isinstance(outcome, Failure):
                yield index, 0, outcome
            else:
                yield from ((index, position, result) for position, result in enumerate(outcome))
        for index, position in again:
            task = batches[index][position]
            single = _outcome(pool.schedule(_guarded, args=(function, [task.item]), timeout=task.seconds))
            yield index, position, single if isinstance(single, Failure) else single[0]


def _outcome(future: Any) -> list[Any] | Failure:
    try:
        result: list[Any] = future.result()
    except FutureTimeout:
        return Failure("reading took longer than the time limit")
    except ProcessExpired as error:
        return Failure(f"the reading process died ({error})")
    except MemoryError:
        return Failure("more memory was needed than the limit allows")
    return result
