"""A report's page as people meet it: with a mouse, a keyboard, a phone, in the dark, on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.browser.looking import DARK, DESK, PHONE, VIEWS
from tests.helpers.reports import everything, many
from tests.helpers.results import MACHINE, load, measured
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.report.merged import merge
from whisper_speedtest.results.report.page import html

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.looking import Looker

MOST_BYTES = 1_500_000
MOST_MILLISECONDS = 1_000
"""Until something is to be seen of a page of 500 rows."""

OTHER = msgspec.structs.replace(MACHINE, chip="Apple M1")

in_each_view = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)


@pytest.fixture(name="full", scope="module")
def _full() -> str:
    """A page that has every section, of two machines."""
    other = measured("mlx-whisper fp16", 3.0, 3.1, 3.2, machine=OTHER)
    return html(merge([*everything(), other]))


@pytest.fixture(name="large", scope="module")
def _large() -> str:
    """A page of 500 rows."""
    return html(merge(many(500)))


@pytest.fixture(name="small", scope="module")
def _small() -> str:
    """A page with a few rows, in the order 4bit, fp16, 8bit, busy, load."""
    return html(
        merge(
            [
                measured("mlx-whisper fp16", 2.0),
                measured("mlx-whisper 4bit", 1.0),
                measured("mlx-whisper 8bit", 10.0),
                measured("mlx-whisper busy", 0.1, outcome=Outcome.BUSY),
                load(0.5, machine=MACHINE, case=measured("mlx-whisper load").case),
            ]
        )
    )


def variants(page: Page) -> list[str]:
    """Return the variants in the table, from top to bottom, of the rows that are shown."""
    found: list[str] = page.eval_on_selector_all(
        "#rows tbody:not([hidden])", "rows => rows.map(row => row.rows[0].cells[3].textContent)"
    )
    return found


def sorted_by(page: Page) -> dict[str, str]:
    """Return by which column the table says that it is sorted, and how."""
    found: dict[str, str] = page.eval_on_selector_all(
        "#rows th[aria-sort]",
        "all => Object.fromEntries(all.map(one => [one.textContent, one.ariaSort]))",
    )
    return found


def heading(page: Page, name: str) -> Any:
    """Return the button of a column."""
    return page.locator("#rows thead").get_by_role("button", name=name, exact=True)


@in_each_view
def test_page_has_nothing_that_keeps_people_out(
    look: Looker, full: str, view: dict[str, Any]
) -> None:
    """A report's page with everything unfolded breaks no rule of accessibility that axe knows.

    That holds in light, dark, and on a phone.
    """
    from axe_playwright_python.sync_playwright import Axe

    page = look(full, view)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    page.eval_on_selector_all("td button", "all => all.forEach(one => one.click())")

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


@in_each_view
def test_page_does_not_scroll_sideways(look: Looker, full: str, view: dict[str, Any]) -> None:
    """A report's page never scrolls sideways; what is wider than the screen does, in its box.

    The box says so, and the keyboard reaches it. No table is wider than a desk, be its columns all
    that there are.
    """
    page = look(full, view)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    page.eval_on_selector_all("td button", "all => all.forEach(one => one.click())")

    width = page.evaluate("document.documentElement.scrollWidth")

    assert width <= view["viewport"]["width"]
    boxes = page.eval_on_selector_all(
        ".scroll",
        """all => all.map((one) => [
            one.scrollWidth > one.clientWidth,
            getComputedStyle(one, "::before").content.includes("scrolls sideways"),
            one.tabIndex])""",
    )
    assert any(scrolls for scrolls, _, _ in boxes) is (view is PHONE)
    assert all(scrolls is said for scrolls, said, _ in boxes)
    assert {place for *_, place in boxes} == {0}
    if view is PHONE:
        page.set_viewport_size({"width": 1200, "height": 900})
        page.wait_for_function("!document.querySelector('.scroll.wider')")


def test_large_page_is_small_and_soon_there(look: Looker, large: str) -> None:
    """A report's page of 500 rows has less than 1.5 MB and is seen in less than a second."""
    shown = []
    for _ in range(3):
        page = look(large)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        shown.append(
            page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        )

    assert len(large.encode()) < MOST_BYTES
    assert page.locator("#rows tbody").count() == 500
    assert min(shown) < MOST_MILLISECONDS, f"first paint after {shown} ms"


def test_table_is_sorted_by_a_click(look: Looker, small: str) -> None:
    """A click on a heading sorts a report page's table, and the next one turns it round.

    The first click brings the best to the top. Busy rows and empty cells stay last.
    """
    page = look(small)
    assert variants(page) == ["4bit", "fp16", "8bit", "busy", "load"]
    assert sorted_by(page) == {}

    heading(page, "RTFx").click()
    assert variants(page) == ["4bit", "fp16", "8bit", "load", "busy"]
    assert sorted_by(page) == {"RTFx": "descending"}

    heading(page, "RTFx").click()
    assert variants(page) == ["8bit", "fp16", "4bit", "load", "busy"]
    assert sorted_by(page) == {"RTFx": "ascending"}

    heading(page, "time").click()
    assert variants(page) == ["load", "4bit", "fp16", "8bit", "busy"]
    assert sorted_by(page) == {"time": "ascending"}

    heading(page, "time").click()
    assert variants(page) == ["8bit", "fp16", "4bit", "load", "busy"]

    heading(page, "variant").click()
    assert variants(page) == ["4bit", "8bit", "busy", "fp16", "load"]


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_table_is_sorted_by_keyboard(look: Looker, small: str, key: str) -> None:
    """Enter and Space sort a report page's table by the heading with the focus, which is seen."""
    page = look(small)
    heading(page, "variant").focus()
    page.keyboard.press("Tab")  # measure
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(key)

    assert sorted_by(page) == {"variant": "ascending"}
    page.keyboard.press(key)
    assert variants(page) == ["load", "fp16", "busy", "8bit", "4bit"]
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "variant"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2


def test_filter_shows_the_rows_with_all_words(look: Looker, small: str) -> None:
    """A report page's filter shows the rows with all of its words, in whatever case and order.

    How many there are is said to those who hear the page.
    """
    page = look(small)
    page.get_by_label("Show rows with").fill("SMALL-4BIT warm")

    assert variants(page) == ["4bit"]
    assert page.get_by_role("status").text_content() == "1 of 5 rows"

    page.get_by_label("Show rows with").fill("")
    assert variants(page) == ["4bit", "fp16", "8bit", "busy", "load"]
    assert page.get_by_role("status").text_content() == "5 of 5 rows"

    page.get_by_label("Show rows with").fill("no such")
    assert variants(page) == []


def test_filter_and_order_hold_together(look: Looker, small: str) -> None:
    """A report page's table stays sorted where the filter shows fewer rows."""
    page = look(small)
    heading(page, "time").click()
    heading(page, "time").click()
    page.get_by_label("Show rows with").fill("warm")

    assert variants(page) == ["8bit", "fp16", "4bit", "busy"]


def test_row_tells_how_it_was_measured(look: Looker, small: str) -> None:
    """A row of a report page's table opens to tell how it was measured, by keyboard, too.

    What it tells goes where the row goes.
    """
    page = look(small)
    row = page.locator("#rows tbody").first
    button = row.get_by_role("button")
    assert button.get_attribute("aria-expanded") == "false"
    assert not row.locator(".how").is_visible()

    button.focus()
    page.keyboard.press("Enter")

    assert button.get_attribute("aria-expanded") == "true"
    assert row.locator(".how").is_visible()
    assert "test_transcribe[mlx-whisper-small-4bit-short]" in str(
        row.locator("code").text_content()
    )
    assert page.locator(".how.open").count() == 1
    heading(page, "variant").click()
    heading(page, "variant").click()
    last = page.locator("#rows tbody").last
    assert last.locator(".how").is_visible()
    assert last.locator("td").nth(3).text_content() == "4bit"
    last.get_by_role("button").click()
    assert not last.locator(".how").is_visible()


def test_page_without_scripts_shows_everything(look: Looker, small: str) -> None:
    """Without scripts a report's page hides nothing and has no control that would do nothing."""
    page = look(small, java_script_enabled=False)

    assert page.locator(".how").first.is_visible()
    assert page.locator("#rows thead button").count() == 0
    assert not page.get_by_label("Show rows with").is_visible()


def test_first_tab_leads_to_the_answer(look: Looker, full: str) -> None:
    """The first Tab on a report's page shows a link to the answer, which takes the focus there."""
    page = look(full)
    skip = page.get_by_text("Skip to the answer")
    assert skip.bounding_box()["x"] < 0

    page.keyboard.press("Tab")

    assert skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_colours_are_those_of_the_scheme_in_drawings_too(look: Looker, full: str) -> None:
    """In the dark a report's page has a dark ground, light text and bars of another colour."""
    found = []
    for view in (DESK, DARK):
        page = look(full, view)
        found.append(
            page.evaluate(
                """() => {
                    const colour = (where, what) =>
                        getComputedStyle(document.querySelector(where))[what];
                    const light = (text) =>
                        text.match(/\\d+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0);
                    return {
                        ground: light(colour("body", "backgroundColor")),
                        text: light(colour("body", "color")),
                        label: light(colour("svg .labels text", "fill")),
                        bar: colour("svg path[fill='var(--accent)']", "fill"),
                    };
                }"""
            )
        )

    light, dark = found
    assert (light["ground"] > 700, light["text"] < 150) == (True, True), light
    assert (dark["ground"] < 150, dark["text"] > 600) == (True, True), dark
    assert (light["label"], dark["label"]) == (light["text"], dark["text"])
    assert light["bar"] != dark["bar"]
    assert "rgb(0, 0, 0)" not in (light["bar"], dark["bar"]), "the colour is not known to the page"


def test_paper_has_the_numbers_and_nothing_to_click(look: Looker, full: str) -> None:
    """On paper a report's page is black on white, with its numbers and nothing to click.

    That holds also where the screen is dark. What would scroll is whole.
    """
    page = look(full, {**DARK, **PHONE})
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator("nav").is_visible()
    assert not page.get_by_label("Show rows with").is_visible()
    assert page.locator("#rows td button:visible").count() == 0
    assert page.locator("svg:visible").count() > 0
    assert page.locator("#rows tbody").first.is_visible()
    overflow = page.eval_on_selector_all(
        ".scroll", "all => all.map(one => getComputedStyle(one).overflowX)"
    )
    assert set(overflow) == {"visible"}
    signs = page.eval_on_selector_all(
        ".scroll.wider", "all => all.map(one => getComputedStyle(one, '::before').content)"
    )
    assert set(signs) == {"none"}, "the sign that a table scrolls is printed"


def test_paper_has_the_transcripts_that_are_closed_on_a_screen(look: Looker, full: str) -> None:
    """On paper a report's page has the transcripts that are closed on a screen.

    Nobody can open them there. On the screen they are closed as before, once it was printed.
    """
    page = look(full)
    closed = page.locator("details:not([open]) blockquote").first
    assert not closed.is_visible()

    page.emulate_media(media="print")
    assert closed.is_visible()

    page.emulate_media(media="screen")
    assert not closed.is_visible()


def test_paper_has_no_sign_of_what_can_be_clicked(look: Looker, full: str) -> None:
    """On paper a report's page has no arrow before a row or transcript or behind a heading.

    Nor has it a sentence on arrows. Chromium repeats a heading on each page of a table only where
    no box of a button is in it.
    """
    page = look(full)
    assert page.get_by_text("Click the arrow before a row").is_visible()
    page.emulate_media(media="print")

    assert not page.get_by_text("Click the arrow before a row").is_visible()
    arrows = page.evaluate(
        """() => [
            ["summary", null, "listStyleType"],
            ["th button", "::after", "content"],
            ["th button", null, "display"],
            ["#rows thead", null, "display"],
        ].map(([one, part, name]) => getComputedStyle(document.querySelector(one), part)[name])"""
    )
    assert arrows == ["none", "none", "contents", "table-header-group"]
    first = page.locator("#rows tbody").first.locator("td").first
    assert not first.is_visible(), "the empty column of the arrows is printed"


def test_paper_has_the_colours_of_a_light_screen(look: Looker, full: str) -> None:
    """On paper a report's page has the colours of a light screen, even if the screen is dark.

    The pale colours of a dark screen are hardly seen on white.
    """
    colours = """() => {
        const style = getComputedStyle(document.documentElement);
        return ["--series-1", "--series-6", "--accent", "--good", "--bad"].map(
            (name) => style.getPropertyValue(name));
    }"""
    light = look(full).evaluate(colours)
    page = look(full, DARK)
    assert page.evaluate(colours) != light
    page.emulate_media(media="print")

    assert page.evaluate(colours) == light


def test_paper_begins_no_page_within_what_belongs_together(look: Looker, full: str) -> None:
    """On paper no page begins within a chart, a paragraph, a row or a small table.

    Nor does one begin within a section of one chart, and no heading stands last on a page.
    """
    page = look(full)
    page.emulate_media(media="print")

    for names, style in (
        ("figure, p, tr, .marks, .parts > .of-1, table:not(#rows)", "breakInside"),
        ("h2, h3, h4, .about, .legend", "breakAfter"),
    ):
        found = page.eval_on_selector_all(
            names, f"all => all.map(one => getComputedStyle(one).{style})"
        )
        assert set(found) == {"avoid"}, names
    assert page.locator(".narrow:visible").count() == 1
    assert page.locator(".wide:visible").count() == 0, "a drawing of the whole width fills a page"


def test_drawing_fits_the_screen_it_is_on(look: Looker, full: str) -> None:
    """A drawing on a report's page is of about its own size on a phone as on a wide screen.

    So its texts are as large; of two widths one is shown.
    """
    for view, shown in ((DESK, ".wide"), (PHONE, ".narrow")):
        page = look(full, view)
        for drawing in page.locator("svg:visible").all():
            box, units = drawing.bounding_box(), drawing.get_attribute("viewBox")
            assert box
            assert units
            scale = box["width"] / float(units.split()[2])
            assert 0.85 < scale < 1.4, f"drawn at {scale:.2f} of its size"
        assert page.locator(".wide:visible, .narrow:visible").count() == 1
        assert page.locator(f"{shown}:visible").count() == 1


def test_reason_of_a_failure_has_the_line_of_a_phone(look: Looker) -> None:
    """A report's page cuts no failure's reason, which on a phone has a line below its test.

    On a desk it stands beside the test.
    """
    failed = measured(
        f"mlx-whisper {'long' * 60}",
        outcome=Outcome.FAILED,
        reason="expected a word error rate of at most 0.000, got 1.000 over 9 words; " * 3,
        samples=(),
    )
    for view, least in ((DESK, 0.59), (PHONE, 0.95)):
        page = look(html(merge([failed])), view)
        box = page.locator(".unmeasured .scroll")
        table, test, reason = box.evaluate(
            """one => [one, ...[...one.querySelectorAll("td")].slice(1)].map((each) => {
                const { top, bottom, width } = each.getBoundingClientRect();
                return { top, bottom, width };
            })"""
        )

        width = page.evaluate("innerWidth")
        cut = box.evaluate("one => one.scrollWidth - one.clientWidth")
        assert cut == 0, f"{cut} px are cut off at {width} px"
        assert (reason["top"] >= test["bottom"]) == (view is PHONE)
        share = reason["width"] / table["width"]
        assert share > least, f"the reason has {share:.0%} of the line at {width} px"


def test_option_is_not_broken_on_a_phone(look: Looker, full: str) -> None:
    """An option on a report's page stands on one line of a phone, wherever it begins."""
    page = look(full, PHONE)
    texts = page.locator(".unbroken").all_text_contents()
    assert any(text.startswith("-") for text in texts), f"no option among {texts}"

    for width in range(320, 420, 5):
        page.set_viewport_size({"width": width, "height": 740})
        broken = page.eval_on_selector_all(
            ".unbroken",
            """all => all.filter(one => one.getClientRects().length > 1)
                .map(one => one.textContent)""",
        )
        assert broken == [], f"at {width} px"


def test_filter_stands_below_its_label_on_a_phone(look: Looker, small: str) -> None:
    """On a phone a report page's filter has label, box and count below each other at one edge."""
    page = look(small, PHONE, viewport={"width": 390, "height": 740})
    page.get_by_label("Show rows with").fill("no such")

    label, field, count = page.eval_on_selector_all(
        ".filter > *",
        """all => all.map((one) => {
            const { left, top, bottom } = one.getBoundingClientRect();
            return { left, top, bottom };
        })""",
    )

    assert label["left"] == field["left"] == count["left"], (
        "label, box and count begin at different edges"
    )
    assert label["bottom"] <= field["top"], "the field touches its label"
    assert field["bottom"] <= count["top"], "the count stands beside the field"
    assert count["bottom"] - count["top"] < 30, "the count is broken into two lines"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_library_stays_in_view_where_the_table_is_scrolled(
    look: Looker, full: str, scheme: str
) -> None:
    """The library stays in view where a report page's table is scrolled sideways on a phone.

    A shade at the edge says that there is more, until the end is reached.
    """
    page = look(full, {**PHONE, "color_scheme": scheme})
    box = page.locator("[aria-label='Table: All measurements']")
    cell = box.locator("tbody td.kept").first

    box.evaluate("one => one.scrollTo(one.scrollWidth, 0)")

    assert box.evaluate("one => one.scrollLeft") > 0
    assert cell.text_content() in {"lightning-whisper-mlx", "mlx-whisper", "whisper.cpp"}
    assert cell.bounding_box()["x"] == pytest.approx(box.bounding_box()["x"], abs=1)
    ground = cell.evaluate("one => getComputedStyle(one).backgroundColor")
    assert ground == page.evaluate("getComputedStyle(document.body).backgroundColor")
    attachment = box.evaluate("one => getComputedStyle(one).backgroundAttachment")
    assert attachment == "local, local, scroll, scroll"
