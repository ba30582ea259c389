"""A pool of worker processes under memory and wall-clock limits.

A task that hangs, dies or runs out of memory costs exactly the file it held. The pool knows
nothing of formats: it runs a picklable function over picklable items.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

_MEMORY = "more memory was needed than the limit allows"

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


def _guarded(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int
) -> list[Result | Failure]:
    """Run in the worker, side by side where the items wait for a network."""
    if threads > 1 and len(items) > 1:
        with ThreadPoolExecutor(min(threads, len(items))) as pool:
            return list(pool.map(partial(_one, function), items))
    return [_one(function, item) for item in items]


def _one(function: Callable[[Item], Result], item: Item) -> Result | Failure:
    """A foreign exception is a bug of ours and costs one item."""
    try:
        return function(item)
    except MemoryError:
        return Failure(_MEMORY)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the one catch-all: a bug must read as a gap
        return _bug(error)


def _bug(error: BaseException) -> Failure:
    ident = hashlib.sha256(_stable(error)).hexdigest()[:12]
    if os.environ.get("WEIGHBRIDGE_DEBUG"):
        sys.stderr.write("".join(traceback.format_exception(error)))
    return Failure(f"internal error {ident} ({type(error).__name__}): please report it")


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
        self._starting: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._starting is not None:
            self._starting.join()
        if self._pool is not None:
            self._pool.stop()  # every result that anybody waits for has arrived
            self._pool.join()
            self._pool = None

    def start(self) -> None:
        """Start the processes while the caller does something else; the first task waits for them."""
        if self._starting is None:
            self._starting = threading.Thread(target=self._warm, daemon=True)
            self._starting.start()

    def _warm(self) -> None:
        pool = self._create()
        for _ in range(self.count):
            pool.schedule(os.getpid)

    def _started(self) -> Any:
        if self._starting is not None:
            self._starting.join()
        return self._create()

    def _create(self) -> Any:
        if self._pool is None:
            from pebble import ProcessPool  # noqa: PLC0415 - imported by the thread that starts the pool

            method = "spawn" if sys.platform == "win32" else "forkserver"
            context: Any = multiprocessing.get_context(method)
            if method == "forkserver":
                context.set_forkserver_preload(["scanner.forked"])
            self._pool = ProcessPool(
                max_workers=self.count,
                context=context,
                initializer=_limit,
                initargs=(self._memory,),
            )
        return self._pool

    def map(
        self,
        function: Callable[[Item], Result],
        batches: Sequence[Sequence[Task[Item]]],
        *,
        threads: int = 1,
    ) -> Iterator[tuple[int, int, Result | Failure]]:
        """Run every task; yields (batch, position in it, outcome) as they finish.

        The tasks of a batch share a worker, in turn or in so many threads. A batch may take as long
        as its slowest task may; whatever of it fails is run again alone, so that only the culprit fails.
        """
        alone: list[tuple[int, int]] = []
        for index, outcomes in self._run(function, batches, threads):
            size = len(batches[index])
            for position in range(size):
                outcome = outcomes if isinstance(outcomes, Failure) else outcomes[position]
                if isinstance(outcome, Failure) and size > 1:
                    alone.append((index, position))
                else:
                    yield index, position, outcome
        singles = [[batches[index][position]] for index, position in alone]
        for which, outcomes in self._run(function, singles, 1):
            yield *alone[which], outcomes if isinstance(outcomes, Failure) else outcomes[0]

    def _run(
        self, function: Callable[[Item], Result], batches: Sequence[Sequence[Task[Item]]], threads: int
    ) -> Iterator[tuple[int, list[Result | Failure] | Failure]]:
        """The number of every batch and what came of it, as they finish."""
        futures: dict[Any, int] = {}
        for index, batch in enumerate(batches):
            arguments = (function, [task.item for task in batch], threads)
            limit = max(task.seconds for task in batch)
            futures[self._started().schedule(_guarded, args=arguments, timeout=limit)] = index
        for future in as_completed(futures):
            yield futures.pop(future), _outcome(future)


def _outcome(future: Any) -> list[Any] | Failure:
    from pebble import ProcessExpired  # noqa: PLC0415 - there is a pool by now

    try:
        result: list[Any] = future.result()
    except FutureTimeout:
        return Failure("reading took longer than the time limit")
    except ProcessExpired as error:
        return Failure(f"the reading process died (exit code {error.exitcode})")
    except MemoryError:
        return Failure(_MEMORY)
    except Exception as error:  # noqa: BLE001 - for example a result that cannot be sent back
        return _bug(error)
    return result
