"""The ranged reader, against the test Hub: what it asks for, and what it does not believe."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scanner.errors import ReadFailed
from scanner.net import RangeOpener
from scanner.net.connection import _asked_to_wait, origin
from scanner.reader import WHOLE
from tests.hub import Hub, blob

DATA = random.Random(7).randbytes(1_500_000)


@pytest.fixture(scope="module")
def served():
    with Hub() as hub:
        commit = hub.model("org/name").commit({"a.bin": DATA, "small.bin": DATA[:WHOLE], "empty": b""})
        yield hub, f"{hub.url}/org/name/resolve/{commit}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-3, len(DATA) + 3), st.integers(-3, 300_000)), max_size=12))
def test_it_reads_as_bytes_do_and_nothing_twice(served, reads) -> None:
    hub, base = served
    hub.forget()
    with RangeOpener(f"{base}/a.bin", size=len(DATA)).open() as reader:
        for offset, length in reads:
            expected = DATA[offset : offset + length] if offset >= 0 < length else b""
            assert reader.read_at(offset, length) == expected
    assert hub.sent() <= len(DATA)


def test_reading_on_reads_ahead_and_a_jump_does_not(served) -> None:
    hub, base = served
    hub.forget()
    with RangeOpener(f"{base}/a.bin", size=len(DATA)).open() as reader:
        for offset in range(0, len(DATA), 1000):
            reader.read_at(offset, 1000)
    assert len(hub.requests()) <= 6
    hub.forget()
    with RangeOpener(f"{base}/a.bin", size=len(DATA)).open() as reader:
        reader.read_at(1_000_000, 10)
    assert [asked.sent for asked in hub.requests()] == [65536, 65536]


def test_a_small_file_is_one_request(served) -> None:
    hub, base = served
    hub.forget()
    with RangeOpener(f"{base}/small.bin", size=WHOLE).open() as reader:
        assert reader.read_at(WHOLE - 10, 10) == DATA[WHOLE - 10 : WHOLE]
        assert reader.read_at(0, WHOLE) == DATA[:WHOLE]
    assert len(hub.requests()) == 1


@pytest.mark.parametrize("size", [0, None])
def test_an_empty_file_is_asked_for_and_not_believed(served, size) -> None:
    hub, base = served
    hub.forget()
    with RangeOpener(f"{base}/empty", size=size).open() as reader:
        assert (reader.size, reader.read_at(0, 10)) == (0, b"")
    # An answer without a body is with the client before the server has written down that it was sent.
    deadline = time.monotonic() + 10
    while not hub.requests("/empty") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(hub.requests("/empty")) == 1
    with pytest.raises(ReadFailed, match="not the one that was resolved"):
        open_and_read(f"{base}/a.bin", size=0)


def open_and_read(url: str, **how) -> bytes:
    with RangeOpener(url, timeout=2.0, **how).open() as reader:
        return reader.read_at(0, reader.size)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"size": 5}, "not the one that was resolved"),
        ({"size": len(DATA) + 1}, "not the one that was resolved"),
        ({"expect": {"X-Repo-Commit": "f" * 40}}, "X-Repo-Commit is"),
    ],
)
def test_another_file_than_was_resolved_is_refused(served, how, says: str) -> None:
    with pytest.raises(ReadFailed, match=says):
        open_and_read(f"{served[1]}/a.bin", **how)


@pytest.mark.parametrize("behave", ["reset", "short"])
def test_a_connection_that_breaks_once_is_mended(behave: str) -> None:
    with Hub() as hub:
        commit = hub.model("o/n").commit({"a.bin": DATA})
        hub.fault("", behave, times=1)
        hub.fault("", behave, after=1, times=1)
        assert open_and_read(f"{hub.url}/o/n/resolve/{commit}/a.bin", size=len(DATA)) == DATA


def test_a_signed_address_that_expires_is_resolved_again() -> None:
    with Hub(cdn=True) as hub:
        commit = hub.model("o/n").commit({"a.bin": blob(DATA, lfs=True)})
        hub.fault("signature=", status=403, after=1, times=1)
        assert open_and_read(f"{hub.url}/o/n/resolve/{commit}/a.bin", size=len(DATA)) == DATA
        assert len(hub.requests("resolve/")) == 2


def test_a_body_that_hangs_ends_by_the_timeout() -> None:
    with Hub() as hub:
        commit = hub.model("o/n").commit({"a.bin": DATA})
        hub.fault("", "hang")
        with (
            pytest.raises(ReadFailed, match=r"did not answer in time|connection failed"),
            RangeOpener(f"{hub.url}/o/n/resolve/{commit}/a.bin", size=len(DATA), timeout=0.2).open(),
        ):
            pass


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/a", "file:///etc/passwd", "//"])
def test_redirects_to_other_schemes_are_refused(location: str) -> None:
    with Hub() as hub:
        hub.fault("", "downgrade", location=location)
        with pytest.raises(ReadFailed):
            open_and_read(f"{hub.url}/a")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, 1.5),
        ({"RateLimit": '"api";r=0;t=55'}, 55.0),
        ({"RateLimit": '"api";r=10;t=55'}, 1.5),
        ({}, 1.5),
    ],
)
def test_what_a_server_asks_to_wait(headers, seconds: float) -> None:
    assert _asked_to_wait(headers, 1.5) == seconds


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://a/x") == origin("https://a:443/y")
    assert len({origin(u) for u in ("https://a", "http://a", "https://a:444", "https://b")}) == 4
