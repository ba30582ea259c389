from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Claimed
from tests.support import inspect_bytes

CARD = """---
license: mit
---
# Model
## Uses
<!-- Address questions around how the model is intended to be used. -->
### Direct Use
For *search*
in English.
### Out-of-Scope Use
<!-- misuse -->
[More Information Needed]
## How to use
```python
# Limitations
```
## Bias, Risks, and Limitations
It was trained <!-- only --> on short texts.
## Ethical considerations
None known.
"""


def _said(card: str) -> list[tuple[Claimed, str, str]]:
    wanted = {Claimed.USE_CASE, Claimed.LIMITATION, Claimed.ETHICS}
    facts = inspect_bytes("model-card", card.encode(), "README.md").facts
    return [(c.what, c.value, c.pointer) for fact in facts for c in fact.claims if c.what in wanted]


def test_sections_of_the_template_become_claims_with_their_line() -> None:
    assert _said(CARD) == [
        (Claimed.USE_CASE, "For *search* in English.", "line 7"),
        (Claimed.LIMITATION, "It was trained on short texts.", "line 17"),
        (Claimed.ETHICS, "None known.", "line 19"),
    ]


def test_older_titles_are_known_and_usage_is_none_of_them() -> None:
    for title in ("Intended uses & limitations", "Intended Use", "**Primary intended uses**", "Use cases:"):
        assert [what for what, _, _ in _said(f"---\nx: 1\n---\n## {title}\ntext")] == [Claimed.USE_CASE], (
            title
        )
    for title in ("Usage", "How to use", "Usage (HuggingFace Transformers)", "Useful links"):
        assert not _said(f"---\nx: 1\n---\n## {title}\ntext"), title
    assert [what for what, _, _ in _said("---\nx: 1\n---\n## Limitations and bias\na")] == [
        Claimed.LIMITATION
    ]


def test_a_long_section_is_cut_and_says_so() -> None:
    ((_, value, _),) = _said("---\nx: 1\n---\n# Uses\n" + "word " * 50_000)
    assert len(value) < 2100
    assert value.endswith("[…]")


def test_comments_without_an_end_cost_no_time() -> None:
    assert not _said("---\nx: 1\n---\n# Uses\n" + "<!--" * 4000)


@given(st.text(alphabet="#<!->`abu \n", max_size=80))
def test_any_text_is_read(text: str) -> None:
    _said(f"---\nx: 1\n---\n# Uses\n{text}")
