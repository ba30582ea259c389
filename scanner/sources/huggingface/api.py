"""The Hub's API through huggingface_hub, on a client that is bounded in time, size and trust.

huggingface_hub's own client waits without a timeout, reads bodies of any length, sleeps as long as a
server asks, and sends the token to whatever address a page's ``Link`` names.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
from huggingface_hub import HfApi, errors, hf_raise_for_status, set_client_factory
from huggingface_hub.constants import is_offline_mode
from huggingface_hub.utils import _http

from scanner.errors import SourceError, TargetError
from scanner.model import Kind
from scanner.net import UNTRUSTED, origin, trusted_roots
from scanner.sources.huggingface.address import Wanted
from scanner.version import __version__

Answer = TypeVar("Answer")

_TRIES = 4
_WAIT = 0.25
_WAIT_LIMIT = 60.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_BODY_LIMIT = 16 << 20
_CALLS_LIMIT = 2_000
_PATIENCE = 4
_EXPAND = ["author", "createdAt", "disabled", "gated", "lastModified", "private", "sha", "tags"]


class _Unreachable(Exception):
    """No usable answer. Not httpx2's own: huggingface_hub would start its retries over."""


class _Limited(httpx2.SyncByteStream):
    """A body that may be only so long and take only so much time."""

    def __init__(self, stream: Any, seconds: float) -> None:
        self._stream = stream
        self._deadline = time.monotonic() + seconds

    def __iter__(self) -> Iterator[bytes]:
        total = 0
        for block in self._stream:
            total += len(block)
            if total > _BODY_LIMIT:
                raise _Unreachable(f"sends an answer of more than {_BODY_LIMIT >> 20} MiB")
            if time.monotonic() > self._deadline:
                raise _Unreachable("sends its answer too slowly")
            yield block

    def close(self) -> None:
        self._stream.close()


class _Client(httpx2.Client):
    def __init__(self, endpoint: str, timeout: float) -> None:
        roots = trusted_roots()
        verify = ssl.create_default_context(cafile=roots) if roots else True
        super().__init__(follow_redirects=True, timeout=timeout, max_redirects=5, verify=verify)
        self._endpoint = endpoint
        self._seconds = timeout
        self._calls = 0

    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """One call with its retries; raises for every refusal, so that nobody retries again."""
        if origin(str(request.url)) != origin(self._endpoint):
            request.headers.pop("Authorization", None)
        request.headers["Accept-Encoding"] = "identity"
        # Listing a tree asks for no timeout at all.
        request.extensions["timeout"] = httpx2.Timeout(self._seconds).as_dict()
        self._calls += 1
        if self._calls > _CALLS_LIMIT:
            raise _Unreachable("lists pages without end")
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            wait = _WAIT * 2**attempt
            try:
                response = self._bounded(request, how)
            except (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
                if _is_untrusted(error):
                    raise _Unreachable(f"is not believed: {UNTRUSTED}") from error
                if last:
                    late = isinstance(error, httpx2.TimeoutException)
                    raise _Unreachable("did not answer in time" if late else "cannot be reached") from error
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise _Unreachable(_failed(error)) from error
            else:
                wait = _asked_to_wait(response, wait)
                if response.status_code not in _AGAIN or last or wait > _WAIT_LIMIT:
                    hf_raise_for_status(response)
                    return response
            time.sleep(wait)
        raise _Unreachable("cannot be reached")

    def _bounded(self, request: httpx2.Request, how: dict[str, Any]) -> httpx2.Response:
        response = super().send(request, **{**how, "stream": True})
        try:
            schemes = {hop.url.scheme for hop in (*response.history, response)}
            if self._endpoint.startswith("https://") and schemes != {"https"}:
                raise _Unreachable("redirects from https to an unprotected address")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _Unreachable("compresses what it was asked to send as it is")
            response.headers.pop("X-HF-Warning", None)  # it would be logged to the terminal as it is
            response.stream = _Limited(response.stream, self._seconds * _PATIENCE)
            response.read()
        finally:
            response.close()
        return response


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _failed(error: Exception) -> str:
    if isinstance(error, httpx2.TooManyRedirects):
        return "redirects without end"
    return f"cannot be reached ({type(error).__name__})"


def _asked_to_wait(response: httpx2.Response, fallback: float) -> float:
    after = response.headers.get("Retry-After", "").strip()
    if after.isdigit():
        return float(after[:9])
    limit = _http.parse_ratelimit_headers(response.headers)
    return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else fallback


class Hub:
    """The calls that resolving needs, with errors that say the way out."""

    def __init__(self, target: str, wanted: Wanted, endpoint: str, token: str | None, timeout: float) -> None:
        self._target = target
        self._wanted = wanted
        self._endpoint = endpoint
        self._token = token
        self._timeout = timeout
        self._kind = "dataset" if wanted.kind is Kind.DATASET else "model"
        self._api = HfApi(
            endpoint=endpoint,
            token=token or False,
            library_name="weighbridge",
            library_version=__version__,
        )

    def info(self) -> Any:
        """What the Hub says of the repository at the revision that was asked for.

        Raises:
            SourceError: It cannot be had; the text says why and what to do.
        """
        extra = ["library_name", "pipeline_tag"] if self._kind == "model" else []
        return self._call(
            lambda: self._api.repo_info(
                self._wanted.name,
                repo_type=self._kind,
                revision=self._wanted.revision,
                timeout=self._timeout,
                expand=[*_EXPAND, *extra],  # type: ignore[arg-type]
            )
        )

    def tree(self, commit: str, take: Callable[[Any], Answer]) -> Answer:
        """What ``take`` makes of every entry of the commit, page by page.

        Raises:
            SourceError: As for :meth:`info`.
        """
        return self._call(
            lambda: take(
                self._api.list_repo_tree(
                    self._wanted.name, repo_type=self._kind, revision=commit, recursive=True
                )
            )
        )

    def commit_of(self, url: str) -> str | None:
        """Ask for one file's head: may the files be read, and of which commit are they?

        Raises:
            SourceError: As for :meth:`info`.
        """
        found = self._call(
            lambda: self._api.get_hf_file_metadata(url=url, token=self._token or False, timeout=self._timeout)
        )
        return found.commit_hash

    def _call(self, ask: Callable[[], Answer]) -> Answer:
        if is_offline_mode():
            raise SourceError(f"{self._target}: HF_HUB_OFFLINE is set; unset it, or scan the local cache")
        try:
            with _own_client(self._endpoint, self._timeout):
                return ask()
        except _Unreachable as error:
            raise SourceError(
                f"{self._target}: {self._endpoint} {error}; "
                "check the connection, or name a mirror with --endpoint"
            ) from error
        except errors.HfHubHTTPError as error:
            raise SourceError(f"{self._target}: {self._explain(error)}") from error
        except errors.HFValidationError as error:
            raise TargetError(f"{self._target}: {error}") from error
        except httpx2.HTTPError as error:
            raise SourceError(f"{self._target}: {self._endpoint} {_failed(error)}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(
                f"{self._target}: {self._endpoint} answered something that is not the Hub's API "
                f"({type(error).__name__}: {str(error)[:80]}); check --endpoint"
            ) from error

    def _explain(self, error: errors.HfHubHTTPError) -> str:
        name, status = self._wanted.name, error.response.status_code
        if isinstance(error, errors.GatedRepoError):
            return f"{name} is gated: ask for access on its page, then give a token (--token or HF_TOKEN)"
        if isinstance(error, errors.DisabledRepoError):
            return f"{name} has been disabled by the Hub"
        if isinstance(error, errors.RevisionNotFoundError):
            wanted = self._wanted.revision or "main"
            slash = "; a slash in its name is written %2F" if self._wanted.path else ""
            return f"{name} has no revision {wanted}{slash}{_said(error)}"
        if isinstance(error, errors.RepositoryNotFoundError):
            hint = "" if self._token else "; if it is private, give a token (--token or HF_TOKEN)"
            kind, other = ("data set", "hf://") if self._kind == "dataset" else ("model", "hf://datasets/")
            return f"there is no {kind} {name} here{hint}; is it {other}{name}?"
        known = {
            401: "the token was refused: check --token or HF_TOKEN",
            403: "access is forbidden; give a token that may read it (--token or HF_TOKEN)",
            429: "too many requests: wait, or give a token for a higher limit",
        }
        text = known.get(status, f"{self._endpoint} answered {status}; try again, or check --endpoint")
        return f"{text}{_said(error) if status in {403, 429} else ''}"


def _said(error: errors.HfHubHTTPError) -> str:
    message = " ".join((error.response.headers.get("X-Error-Message") or "").split())
    return f" (it says: {message[:200]})" if message else ""


@contextmanager
def _own_client(endpoint: str, timeout: float) -> Iterator[None]:
    """huggingface_hub with our client for the time of a call; the process's own one comes back."""
    before = getattr(_http, "_GLOBAL_CLIENT_FACTORY", _http.default_client_factory)
    set_client_factory(lambda: _Client(endpoint, timeout))
    try:
        yield
    finally:
        set_client_factory(before)
