"""One remote file over HTTP: redirects by hand, bounded retries, a token that stays at its origin."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from scanner.errors import ReadFailed
from scanner.version import __version__

Taken = TypeVar("Taken")

_TRIES = 4
_WAIT = 0.25
_WAIT_LIMIT = 60.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_RATE = re.compile(r";\s*t\s*=\s*(\d{1,9})")
_REDIRECTS = 5
_POOL = 16
UNTRUSTED = "the server's certificate is not trusted; if its authority is your own, name it in SSL_CERT_FILE"
_ROOTS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: a token is never sent to another one."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)


@cache
def _session() -> requests.Session:
    """One session a process: connections are kept and used again by all its threads."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL))
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    session.verify = trusted_roots() or True
    return session


def trusted_roots() -> str | None:
    """The file of certificate authorities that the environment names, for every client of ours."""
    return next((os.environ[name] for name in _ROOTS if os.environ.get(name)), None)


class Connection:
    """One remote file: redirects resolved once, retries bounded, the token kept at its origin."""

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout: float, expect: Mapping[str, str] | None = None
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout = timeout
        self._expect = dict(expect or {})
        self._resolved: str | None = None

    def fetch(self, headers: Mapping[str, str], take: Callable[[requests.Response], Taken]) -> Taken:
        """GET with redirects followed by hand, and take from the answer (200, 206, 416) what is needed.

        Raises:
            ReadFailed: The server cannot be reached, refuses, or sends what was not asked.
        """
        wait = _WAIT
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(wait)
                wait = _WAIT * 2**attempt
            try:
                with self._once(headers) as response:
                    status = response.status_code
                    if status in {200, 206, 416}:
                        return take(response)
                    problem = _refusal(status)
                    if status in {401, 403, 410} and self._resolved is not None:
                        self._resolved = None  # a signed address has expired: resolve it again
                    elif status not in _AGAIN:
                        break
                    wait = _asked_to_wait(response.headers, wait)
            except requests.exceptions.SSLError as error:
                raise ReadFailed(UNTRUSTED) from error
            except requests.RequestException as error:
                problem = f"cannot be fetched: {_reason(error)}"
            if wait > _WAIT_LIMIT:
                problem += f"; it asks to wait {wait:.0f} seconds, so try again later"
                break
        raise ReadFailed(problem)

    def _once(self, headers: Mapping[str, str]) -> requests.Response:
        url = self._resolved or self._url
        for _ in range(_REDIRECTS):
            own = self._headers if origin(url) == origin(self._url) else {}
            response = _session().get(
                url,
                headers={
                    "User-Agent": f"weighbridge/{__version__}",
                    "Accept-Encoding": "identity",
                    **own,
                    **headers,
                },
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
                auth=_no_netrc,
            )
            if url == self._url:
                self._compare(response)
            if response.status_code not in _MOVED:
                self._resolved = url if url != self._url else None
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            if urlsplit(target).scheme not in {urlsplit(url).scheme, "https"}:
                raise ReadFailed("the server redirects to an unprotected address or to none at all")
            url = target
        raise ReadFailed("the server redirects without end")

    def _compare(self, response: requests.Response) -> None:
        """Hold what the first hop says of the file against what its source said."""
        for name, value in self._expect.items():
            said = response.headers.get(name)
            if said is not None and said.removeprefix("W/").strip('"').lower() != value.lower():
                response.close()
                raise ReadFailed(f"the file is not the one that was resolved: {name} is {said[:80]}")


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding credentials of its own (a .netrc entry) to a redirected address."""
    return request


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection failed or was reset"
    return type(error).__name__


def _refusal(status: int) -> str:
    known = {entry.value: entry.phrase for entry in HTTPStatus}
    text = f"the server answered {status} {known.get(status, '')}".rstrip()
    return f"{text}: a token that may read it is needed" if status in {401, 403} else text


def _asked_to_wait(headers: Mapping[str, str], fallback: float) -> float:
    """Seconds that ``Retry-After`` (RFC 9110, 10.2.3) or ``RateLimit`` asks for; otherwise ours."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value[:9])
    if value:
        try:
            return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
        except (ValueError, OverflowError):
            return fallback
    limit = _RATE.search(headers.get("RateLimit", ""))
    return float(limit[1]) if limit and "r=0" in headers["RateLimit"].replace(" ", "") else fallback
