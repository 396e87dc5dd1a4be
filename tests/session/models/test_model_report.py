"""What people are told of models: the plan of a pre-fetch, and the state of a selection."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.base import Case, ModelFiles
from whisper_speedtest.cache.evidence import RemoteFile
from whisper_speedtest.cache.hashes import Proof
from whisper_speedtest.cache.inspection import Finding, Inspection
from whisper_speedtest.cache.model import UNCONFIRMED, RepoError, Unavailable, VerifiedModel
from whisper_speedtest.cache.plan import Plan, PlannedModel
from whisper_speedtest.session.models.model_report import (
    absent_lines,
    as_table,
    cache_names,
    explanations,
    fetched_lines,
    plan_lines,
    rendered,
)
from whisper_speedtest.session.models.model_status import ModelStatus, all_complete

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from whisper_speedtest.cache.inspection import FileState
    from whisper_speedtest.cache.model import ModelError

COMMIT = "0123456789abcdef" * 2 + "01234567"
SITE = "https://models.example.org/whisper/models"


def planned(
    repo: str, size: int = 0, *, there: bool = False, problem: ModelError | None = None
) -> PlannedModel:
    """Return a planned model of one file of this size."""
    files = ModelFiles(repo, ("weights.npz",))
    proof = Proof(size, "0" * 64)
    finding = Finding("weights.npz", "complete", Path(repo), "", proof, "")
    local = Inspection(files, COMMIT, {"weights.npz": finding} if there else {})
    listed = () if there or problem else (RemoteFile("weights.npz", size, "e" * 40),)
    return PlannedModel(files, local, COMMIT, listed, problem=problem)


def unavailable(files: ModelFiles, cause: str) -> PlannedModel:
    """Return a model that cannot be had, for a reason that others may have."""
    problem = Unavailable(f"{files}: {cause}, and more", cause)
    return PlannedModel(files, Inspection(files, None, {}), problem=problem)


# The plan


def test_plan_counts_models_and_bytes() -> None:
    """The plan of a pre-fetch counts models and bytes, there and to come, and lists each fetch."""
    plan = Plan(
        (
            planned("org/large", 3_000_000),
            planned("org/small", 1_000_000),
            planned("org/there", 250_000, there=True),
            planned("org/gone", problem=RepoError("org/gone@main: no such repo")),
        ),
        77_000_000_000,
    )

    assert plan_lines(plan, 80) == [
        (
            "models: 1 there and verified (250.0 kB), "
            "2 to fetch (4.0 MB to download, 77.0 GB free on the disk), 1 left out"
        ),
        "  fetch      org/small@main: 1.0 MB",
        "  fetch      org/large@main: 3.0 MB",
        "  left out   org/gone@main: no such repo",
    ]


def test_models_that_no_host_confirmed_are_told_by_name() -> None:
    """Models that no host confirmed are told by name, with how to confirm them."""
    models = [planned(f"org/{name}", 1, there=True) for name in ("one", "two", "three")]
    for at in (0, 2):
        local = models[at].local
        (finding,) = local.findings.values()
        doubtful = {"weights.npz": replace(finding, unconfirmed=True)}
        models[at] = replace(models[at], local=replace(local, findings=doubtful))
    linked = planned("org/four", 1)
    unsaid = replace(linked.required[0], unconfirmed=True)
    models += [replace(linked, required=(unsaid,)), planned("org/five", 1)]

    summary, *lines = plan_lines(Plan(tuple(models), 10**9), 300)

    assert summary.startswith("models: 3 there and verified (3 bytes), 2 to fetch")
    assert lines[2:] == [
        (
            "  unconfirmed: no host has said what its files must be, and they have the hashes that"
            " the hub cache names them by; to know, delete the repo's folder there and fetch it "
            "anew: org/one@main, org/three@main, org/four@main"
        )
    ]


def test_file_by_url_is_named_by_its_name() -> None:
    """In the plan of a pre-fetch, a file by URL is named by its URL and not by its hash."""
    files = ModelFiles(SITE, ("tiny.pt",), "a" * 64)
    listed = (RemoteFile("tiny.pt", 75_000_000, "a" * 64),)
    plan = Plan((PlannedModel(files, Inspection(files, None, {}), "a" * 64, listed),), 10**9)

    assert plan_lines(plan, 80)[1:] == [f"  fetch      {SITE} tiny.pt: 75.0 MB"]


def test_reason_that_models_share_is_told_once() -> None:
    """A reason that several models share is told once, with their names below it by owner."""
    plan = Plan(
        (
            unavailable(ModelFiles("one/a", ("w",)), "offline"),
            unavailable(ModelFiles("one/b", ("w",), "refs/pr/1"), "offline"),
            unavailable(ModelFiles("two/c", ("w",)), "offline"),
            unavailable(ModelFiles("two/c", ("v",)), "offline"),
            unavailable(ModelFiles("two/d", ("w",)), "gated"),
        ),
        10**9,
    )

    assert plan_lines(plan, 80)[1:] == [
        "  left out   4 models: offline",
        "             one: a@main, b@refs/pr/1",
        "             two: c@main (2 models)",
        "  left out   two/d@main: gated, and more",
    ]


@pytest.mark.parametrize("width", [72, 80, 120])
def test_names_are_wrapped_whole(width: int) -> None:
    """Names of models are wrapped whole, and no line is wider than the terminal."""
    many = [
        *(ModelFiles(f"org/whisper-of-a-long-name-{n}", ("weights.npz",)) for n in range(80)),
        *(ModelFiles("some/whisper.cpp", (f"{n}.bin",)) for n in range(80)),
        *(ModelFiles(SITE, (f"{n}.pt",), f"{n:064x}") for n in range(80)),
    ]
    plan = Plan(tuple(unavailable(files, "offline") for files in many), 10**9)

    summary, reason, *names = plan_lines(plan, width)

    assert ", 240 left out" in summary
    assert reason == "  left out   240 models: offline"
    assert len(names) < 100
    assert max(map(len, names)) <= width
    assert names[0].startswith("             org: whisper")
    assert names[1].startswith("               whisper")
    text = " ".join(names)
    assert re.findall(r"whisper-of-a-long-name-\d+@main", text) == [
        f"whisper-of-a-long-name-{n}@main" for n in range(80)
    ]
    assert "some: whisper.cpp@main (80 models)" in text
    assert re.findall(r"\d+\.pt", text) == [f"{n}.pt" for n in range(80)]


def test_models_that_were_fetched_are_told_with_their_outcome() -> None:
    """Each model that was to be fetched is told with its outcome, and no other is."""
    good, bad, there = planned("org/good", 1), planned("org/bad", 2), planned("o/t", there=True)
    outcomes: dict[ModelFiles, VerifiedModel | ModelError] = {
        good.files: VerifiedModel("org/good", "main", COMMIT, {}),
        bad.files: RepoError("org/bad@main: gone"),
        there.files: VerifiedModel("o/t", "main", COMMIT, {}),
    }

    assert fetched_lines(Plan((bad, there, good), 0), outcomes) == [
        ("  failed     org/bad@main: gone", False),
        ("  verified   org/good@main", True),
    ]


# The state of a selection


def place(files: ModelFiles, commit: str | None, **states: FileState) -> Inspection:
    """Return what a place has of a model: the state of each file, whose dots are underscores."""
    found = {}
    for key, state in states.items():
        name = key.replace("_", ".")
        proof = None if state == "missing" else Proof(1500, "0" * 64)
        reason = "" if state == "complete" else f"{name}: is {state}"
        found[name] = Finding(name, state, Path("/place", name), "", proof, reason)
    return Inspection(files, commit, found)


def status(
    case: Case, files: ModelFiles, cache: Inspection, library: Inspection | None = None
) -> ModelStatus:
    """Return a model's status; without `library` that looks in the hub cache itself."""
    verified = cache.verified() if cache.state == "complete" else None
    return ModelStatus(case, files, cache, library or cache, verified)


BASE = ModelFiles("org/base", ("w.npz", "c.json"))
TINY = ModelFiles(SITE, ("tiny.pt",), COMMIT[:32] * 2)
GOOD = place(BASE, COMMIT, w_npz="complete", c_json="complete")
GONE = place(BASE, None, w_npz="missing", c_json="missing")
PART = place(BASE, COMMIT, w_npz="complete", c_json="missing")
WRONG = place(BASE, COMMIT, w_npz="corrupt", c_json="complete")


def rows(
    models: Sequence[ModelStatus], loads: Mapping[Case, str] | None = None, width: int = 80
) -> list[str]:
    """Return the lines of the table in so many columns."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=width).print(as_table(models, loads))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def test_table_shows_both_places_of_each_model() -> None:
    """The table of models shows state and bytes of each in the hub cache and its own folder."""
    case = Case("library", "base", "fp16")

    above, heading, _, name, *cells = rows([status(case, BASE, GOOD, PART)])

    assert re.split(r"  +", above.strip()) == ["files in", "files in"]
    assert heading.split() == "model, repo@revision, commit: files hub cache own folder".split()
    assert name == "library"
    assert [line.split() for line in cells] == [
        ["base", "fp16", "complete", "incomplete"],
        ["org/base@main", "3.0", "kB", "1.5", "kB"],
        ["0123456789ab:", "w.npz,", "c.json"],
    ]


def test_library_stands_once_above_its_models() -> None:
    """In the table of models, the name of a library stands once, above its models."""
    cases = [Case(name, "base", variant) for name in ("one", "two") for variant in ("fp16", "4bit")]

    table = rows([status(case, BASE, GOOD) for case in cases])

    named = [line for line in table if line in {"one", "two"} or line.startswith("base ")]
    assert [line.split()[:2] for line in named] == [
        *(["one"], ["base", "fp16"], ["base", "4bit"]),
        *(["two"], ["base", "fp16"], ["base", "4bit"]),
    ]


def test_place_of_a_model_that_the_suite_makes_is_named_in_its_own_words() -> None:
    """The table of models says suite's cache of those that the suite makes, and not hub cache."""
    made = ModelFiles("embedded/micro-mlx-fp16", ("w.npz",))
    micro = status(Case("library", "micro", "fp16"), made, place(made, COMMIT, w_npz="corrupt"))
    base = status(Case("library", "base", "fp16"), BASE, WRONG)

    for models, caches in (
        ([base], ["hub cache"]),
        ([micro], ["suite's cache"]),
        ([micro, base], ["hub cache", "suite's cache"]),
    ):
        heading = " ".join(" ".join(rows(models)[:4]).split("─")[0].split())
        assert cache_names(models) == caches
        for word in caches:
            assert word in heading, heading
        assert ("hub cache" in heading) is ("hub cache" in caches), heading
        assert max(map(len, rows(models, width=40))) <= 40

    assert explanations([micro, base]) == [
        "library[micro-fp16]: suite's cache: w.npz: is corrupt",
        "library[base-fp16]: hub cache: w.npz: is corrupt",
    ]


def test_table_has_both_names_of_a_repo_that_the_hub_calls_otherwise() -> None:
    """The table of models has both names of a repo that the hub has renamed."""
    renamed = replace(GOOD, listed_as="org/base-v1")

    table = rows([status(Case("library", "base", "fp16"), BASE, renamed)])

    said = " ".join(" ".join(table).replace("3.0 kB", "").split())
    assert "org/base@main (which the hub calls org/base-v1 now, at the same commit)" in said
    assert max(map(len, table)) <= 80


def test_table_names_a_file_by_url_on_one_line() -> None:
    """In the table of models, a file's URL stands whole on one line, above a part of its hash."""
    case = Case("library", "tiny", "fp16")
    there = place(TINY, TINY.revision, tiny_pt="corrupt")
    gone = place(TINY, TINY.revision, tiny_pt="missing")

    table = rows([status(case, TINY, gone, there)])

    assert [line.split() for line in table[4:]] == [
        ["tiny", "fp16", "missing", "corrupt"],
        [SITE, "1.5", "kB"],
        ["0123456789ab:", "tiny.pt"],
    ]
    assert max(map(len, table)) <= 80


def test_table_shows_loads_where_they_were_tried() -> None:
    """The table of models shows by one word whether each loads, if that was tried."""
    cases = [Case("library", "base", variant) for variant in ("fp16", "8bit", "4bit")]
    models = [status(case, BASE, GOOD) for case in cases]
    loads = dict(zip(cases, ("loads", "not tried", "OSError: no"), strict=True))

    table = "\n".join(rows(models, loads))

    for case, word in zip(cases, ("loads", "not tried", "fails"), strict=True):
        assert re.search(rf"^base {case.variant} +complete +complete +{word}$", table, re.MULTILINE)
    assert "OSError" not in table
    assert rows(models, loads)[1].split()[-3:] == ["own", "folder", "load"]
    assert rows(models)[1].split()[-2:] == ["own", "folder"]


def test_table_fits_a_narrow_terminal() -> None:
    """In a narrow terminal, the table of models keeps states, sizes and headings whole."""
    case = Case("library", "base", "fp16")
    models = [status(case, BASE, GOOD, PART)]

    for loads, width in (({case: "not tried"}, 60), ({}, 60), ({}, 40)):
        table = rows(models, loads, width)
        assert max(map(len, table)) <= width, "\n".join(table)
        for word in (
            "complete",
            "incomplete",
            "3.0 kB",
            "hub cache",
            "own folder",
            *loads.values(),
        ):
            assert any(word in line for line in table), (word, table)


@pytest.mark.parametrize(
    ("state", "style"),
    [
        ("complete", "green"),
        ("incomplete", "yellow"),
        ("unknown", "yellow"),
        ("corrupt", "bold red"),
        ("other model", "bold red"),
        ("missing", "dim"),
    ],
)
def test_state_has_the_colour_of_what_it_means(state: FileState, style: str) -> None:
    """A state of a model has a colour: green is right, red wrong, yellow doubtful, dim missing."""
    pair: tuple[FileState, FileState] = ("complete", "missing")
    first, second = pair if state == "incomplete" else (state, state)
    place_of = place(BASE, COMMIT, w_npz=first, c_json=second)

    from rich.table import Table
    from rich.text import Text

    table = as_table([status(Case("library", "base", "fp16"), BASE, GOOD, place_of)])

    assert isinstance(table, Table)
    cell = list(table.columns[2].cells)[-1]
    assert isinstance(cell, Text)
    assert cell.plain.splitlines()[0] == state
    assert str(cell.spans[0].style) == style


def test_absent_models_are_told_below_the_table() -> None:
    """Models of which no file is anywhere are listed below the table, by library and repo."""
    models = [
        status(Case("one", size, variant), files, place(files, None, w_npz="missing"))
        for files, size in ((BASE, "base"), (TINY, "tiny"))
        for variant in ("fp16", "fp32")
    ]
    models.append(status(Case("one", "small", "fp16"), BASE, GONE))
    models.append(status(Case("two", "base", "fp16"), BASE, GONE, PART))
    models.append(status(Case("two", "base", "4bit"), BASE, GONE))

    assert absent_lines(models, 100) == [
        "missing, in the hub cache and where one looks:",
        "  org/base@main: base fp16 fp32, small fp16",
        f"  {SITE}: tiny fp16 fp32",
        "missing, in the hub cache and where two looks:",
        "  org/base@main: base 4bit",
    ]
    assert absent_lines(models, 40)[1:3] == [
        "  org/base@main: base fp16 fp32,",
        "    small fp16",
    ], "a size stands on the line of its variants"
    assert next(row for row in rows(models) if row.startswith("base")).split()[:2] == [
        "base",
        "fp16",
    ]
    assert "one" not in rows(models)


def test_what_is_wrong_is_explained_once_for_all_cases_that_share_it() -> None:
    """Each problem of a model is explained once, for all cases that share it."""
    cases = [Case("one", "base", variant) for variant in ("fp16", "int8", "4bit", "8bit")]
    models = [
        status(cases[0], BASE, WRONG, PART),
        status(cases[1], BASE, WRONG),
        status(cases[2], BASE, GONE, PART),
        status(cases[3], BASE, GONE),
    ]
    loads = dict(zip(cases, ("loads", "not tried", "too slow", "too slow"), strict=True))

    assert explanations(models, loads) == [
        "one[base-fp16], one[base-int8]: hub cache: w.npz: is corrupt",
        "one[base-fp16], one[base-4bit]: own folder: c.json: is missing",
        "one[base-4bit], one[base-8bit]: load: too slow",
    ]
    assert explanations(models) == explanations(models, loads)[:2]


def test_model_that_no_host_confirmed_is_explained() -> None:
    """A model that no host confirmed is explained once, and is complete all the same."""
    cases = [Case("one", "base", variant) for variant in ("fp16", "int8", "q5_0")]
    findings = dict(GOOD.findings)
    findings["w.npz"] = replace(findings["w.npz"], unconfirmed=True)
    doubtful = replace(GOOD, findings=findings)
    models = [
        status(cases[0], BASE, doubtful, doubtful),
        status(cases[1], BASE, GOOD),
        status(cases[2], BASE, doubtful, GONE),
    ]

    (line,) = explanations(models)

    assert line == f"one[base-fp16], one[base-q5_0]: hub cache: {UNCONFIRMED}"
    assert all_complete(models)


def test_selection_is_complete_if_every_model_is() -> None:
    """A selection is complete if every model is, and one without models is not."""
    good, part = status(Case("o", "b", "1"), BASE, GOOD), status(Case("o", "b", "2"), BASE, PART)

    assert all_complete([good, good])
    assert not all_complete([good, part])
    assert not all_complete([])
    assert [good.absent, status(Case("o", "b", "3"), BASE, GONE).absent] == [False, True]


def test_what_looks_like_markup_in_a_cell_stands_there_as_it_is() -> None:
    """Text in a table that looks like rich's markup is printed as it is."""
    from rich.table import Table
    from rich.text import Text

    table = Table("clip", "other")
    for name in ("take[2]", "[red]alert", "x[/]", ":smile:", "a\\[b]"):
        table.add_row(name, Text(name))

    lines = rendered(table, 80, styled=False).splitlines()

    for name in ("take[2]", "[red]alert", "x[/]", ":smile:", "a\\[b]"):
        assert [line.count(name) for line in lines if name in line] == [2], (name, lines)
