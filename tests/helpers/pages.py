"""A page of HTML as its tests read it: elements with their texts, found by tag and attribute."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FRAME = ("X-axis ", "Y-axis ")
"""How the labels of a drawing begin that are not of its marks."""

VOID = frozenset({"meta", "link", "input", "br"})


@dataclass(slots=True)
class Element:
    """An element, its attributes, and what is in it."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    content: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the elements in this one of a tag and with these attributes, in their order."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            each
            for each in self._elements()
            if tag in {"", each.tag} and wanted.items() <= each.attributes.items()
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """Return the only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"expected one <{tag}> with {attributes}, got {len(found)}"
        return found[0]

    @property
    def text(self) -> str:
        """What a person reads in the element, with one space between words."""
        return " ".join("".join(self._texts()).split())

    def _elements(self) -> Iterator[Element]:
        for each in self.content:
            if isinstance(each, Element):
                yield each
                yield from each._elements()

    def _texts(self) -> Iterator[str]:
        for each in self.content:
            if isinstance(each, str):
                yield each
            elif each.tag == "span":
                yield from each._texts()
            elif each.tag not in {"script", "style"}:
                yield from (" ", *each._texts(), " ")

    def section(self, heading: str) -> Element:
        """Return the section with this heading."""
        found = [
            each
            for each in self.all("section")
            if [title.text for title in each.content if isinstance(title, Element)][:1] == [heading]
        ]
        assert len(found) == 1, f"expected one section {heading!r}, got {len(found)}"
        return found[0]

    @property
    def headings(self) -> list[str]:
        """The headings of sections, in their order."""
        return [each.text for each in self._elements() if each.tag in {"h2", "h3"}]

    @property
    def table(self) -> list[list[str]]:
        """The texts of the cells of its only table, row by row, the headings first."""
        return [
            [cell.text for cell in row.all() if cell.tag in {"td", "th"}]
            for row in self.one("table").all("tr")
            if "how" not in row.attributes.get("class", "")
        ]

    @property
    def labels(self) -> list[str]:
        """What people hear of drawings who do not see them, mark by mark."""
        return [
            each.attributes["aria-label"]
            for drawing in self.all("svg")
            for each in drawing.all(role="graphics-symbol")
            if not each.attributes["aria-label"].startswith(FRAME)
        ]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Element("")
        self.open = [self.page]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].content.append(element)

    def handle_endtag(self, tag: str) -> None:
        opened = self.open.pop()
        assert opened.tag == tag, f"<{opened.tag}> is open where </{tag}> ends"

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)


def read_page(source: str) -> Element:
    """Return a page; fail where an element is not closed."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    assert reader.open == [reader.page], f"not closed: {[each.tag for each in reader.open[1:]]}"
    return reader.page
