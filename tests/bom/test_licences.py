from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.bom.licences import is_identifier, licence_keys, normalise


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("odc-by", "ODC-By-1.0"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("LicenseRef-mine", "LicenseRef-mine"),
        ("other", ""),
        ("ask my lawyer", ""),
        ("mit and", ""),
        ("()", ""),
        ("(mit", ""),
        ("mit " * 100, ""),
        ("(" * 5000, ""),
    ],
)
def test_names_become_expressions_or_stay_unknown(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(
    st.lists(
        st.sampled_from(
            ["mit", "and", "OR", "with", "(", ")", "gpl-2.0+", "+", "-", ":", "x", "LicenseRef-a"]
        ),
        max_size=9,
    ),
    st.sampled_from([" ", ""]),
)
def test_nothing_that_looks_like_an_expression_breaks_it(parts, joint) -> None:
    normalise(joint.join(parts))


def test_keys_ignore_what_a_text_cannot_tell() -> None:
    assert licence_keys("GPL-3.0-only") == licence_keys("GPL-3.0-or-later")
    assert licence_keys("GPL-2.0-only WITH Classpath-exception-2.0 OR MIT") == {"gpl-2.0", "mit"}
    assert is_identifier("MIT")
    assert not is_identifier("MIT OR ISC")
    assert not is_identifier("LicenseRef-llama3")
