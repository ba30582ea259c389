from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scanner.wire.markdown import Section, sections

TEXT = """intro
# One #
a

```python
# no heading
```
## Two ##
  ~~~
# none
  ~~~
b
####### seven
#none
    # indented
#
c
"""


def test_headings_cut_a_text_into_sections() -> None:
    assert [(s.title, s.level, s.line) for s in sections(TEXT)] == [("One", 1, 2), ("Two", 2, 8), ("", 1, 16)]
    assert next(iter(sections(TEXT))).text.endswith("# no heading\n```")
    assert list(sections("# a#b\r\nx\r\n# c\\#")) == [Section("a#b", 1, 1, "x"), Section("c\\#", 1, 3, "")]


def test_a_fence_that_is_never_closed_hides_the_rest() -> None:
    assert [s.title for s in sections("# a\n```\n# b\n~~~\n# c")] == ["a"]
    assert [s.title for s in sections("# a\n``` x`y\n# b")] == ["a", "b"]


def test_a_line_of_spaces_costs_no_time() -> None:
    assert len(list(sections(("# " + " " * 200_000 + "x\n") * 3))) == 3
    assert len(list(sections(("# " + " #" * 200_000 + "\n") * 3))) == 3


@given(st.text(alphabet="#`~ ab\n\t\\", max_size=60))
def test_every_section_is_found_at_its_line(text: str) -> None:
    lines = text.split("\n")
    for section in sections(text):
        assert lines[section.line - 1].lstrip(" ").startswith("#" * section.level)
