"""What is said of many models at once: hashed once, told once, in 80 columns."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from adapters import REGISTRY
from adapters.base import Case, CheckMap, ModelFiles
from tests.helpers.harm import BASE, QUANTISED, flip_bit, weights
from tests.helpers.stores import offline
from tests.helpers.toy_adapter import Toy
from tests.helpers.web_server import WebServer
from whisper_speedtest.session.check import as_json
from whisper_speedtest.session.report import absent_lines, as_table, explanations, plan_lines
from whisper_speedtest.session.status import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from whisper_speedtest.hub.store import Store
    from whisper_speedtest.session.status import ModelStatus

HASHES = {name: f"{digit}" * 64 for digit, name in enumerate(("tiny", "base"), 1)}
SITE = "https://openaipublic.azureedge.net/main/whisper/models"


class InTheHome(Toy):
    """Looks below the user's home, for every variant in the same place."""

    check_map: ClassVar[CheckMap] = {
        size: dict.fromkeys(("fp16", "fp32"), ModelFiles(SITE, (f"{size}.pt",), sha256))
        for size, sha256 in HASHES.items()
    }

    @classmethod
    def place(cls, case: Case) -> Mapping[str, str]:
        return {f"{case.size}.pt": f"~/.cache/library/{case.size}.pt"}


class InTheHubCache(Toy):
    """Reads the hub cache itself; its variants are computed from the same files."""

    check_map: ClassVar[CheckMap] = {"base": {"fp16": BASE, "int8": BASE, "4bit": QUANTISED}}

    @classmethod
    def place(cls, case: Case) -> Any:  # noqa: ARG003
        return None


HOME = [Case("home", size, variant) for size in HASHES for variant in ("fp16", "fp32")]
CACHE = [Case("cache", "base", variant) for variant in ("fp16", "int8", "4bit")]


@pytest.fixture(autouse=True)
def _libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two libraries more, and a home and requests that are the test's own."""
    monkeypatch.setitem(REGISTRY, "home", f"{__name__}:InTheHome")
    monkeypatch.setitem(REGISTRY, "cache", f"{__name__}:InTheHubCache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(name="hashed")
def _hashed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is hashed, by its name."""
    from whisper_speedtest.hub import hashes

    counts: Counter[str] = Counter()
    digest = hashes.digest

    def counted(path: Path, etag: str) -> object:
        done = digest(path, etag)
        counts[path.name] += 1
        return done

    monkeypatch.setattr("whisper_speedtest.hub.cache.digest", counted)
    monkeypatch.setattr("whisper_speedtest.session.status.digest", counted)
    return counts


def test_a_place_may_be_in_the_home(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: Counter[str]
) -> None:
    """What a URL's file must be is known without the cache; other bytes are known by their URL."""
    with WebServer() as server:
        tiny, base = (server.add(f"{size}.pt", weights(size)) for size in HASHES)
        store.prepare(base)
    sizes = {"tiny": tiny, "base": base}
    entries = {size: dict.fromkeys(("fp16", "fp32"), files) for size, files in sizes.items()}
    monkeypatch.setattr(InTheHome, "check_map", entries)
    folder = tmp_path / "home" / ".cache" / "library"
    folder.mkdir(parents=True)
    (folder / "tiny.pt").write_bytes(weights("tiny"))
    (folder / "base.pt").write_bytes(weights("base"))
    hashed.clear()

    right = check(HOME, store, tmp_path)
    counts = dict(hashed)
    (folder / "tiny.pt").write_bytes(weights("base"))
    wrong = check(HOME, store, tmp_path)

    states = [(model.cache.state, model.library.state) for model in right]
    assert states == [("missing", "complete")] * 2 + [("complete", "complete")] * 2
    assert counts == {"tiny.pt": 1, "base.pt": 2}
    (file,) = wrong[0].library.findings.values()
    assert (file.state, file.path) == ("other model", folder / "tiny.pt")
    assert f"tiny.pt: is {base.repo}@{base.revision[:12]} base.pt, at {file.path}" == file.reason
    assert [model["repo"] for model in as_json(right, store.settings.cache)["models"]] == [
        files.repo for files in (tiny, tiny, base, base)
    ]


def test_a_place_may_be_the_hub_cache(store: Store, tmp_path: Path, hashed: Counter[str]) -> None:
    """Then it has the cache's state and files, hashed once for all cases that share them."""
    flip_bit(store.prepare(BASE).files["weights.npz"][0])
    hashed.clear()

    models = check(CACHE, store, tmp_path)

    assert hashed == {"weights.npz": 1 + 1, "config.json": 1}  # git's sha1, to find the origin
    document = as_json(models, store.settings.cache)
    assert [model["library"]["state"] for model in document["models"]] == [
        "corrupt",
        "corrupt",
        "missing",
    ]
    for model in document["models"]:
        assert model["library"] == model["cache"]
    (line,) = explanations(models)
    assert line.startswith("cache[base-fp16], cache[base-int8]: hub cache: weights.npz: expected")


def printed(models: Sequence[ModelStatus]) -> list[str]:
    """Return the lines of the table in 80 columns."""
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=80).print(as_table(models))
    return text.getvalue().splitlines()


def test_missing_models_are_told_by_repo(store: Store, tmp_path: Path) -> None:
    """Those of which there is no file anywhere are in no table; each repo comes once a library."""
    store.prepare(QUANTISED)

    models = check([*HOME, *CACHE], store, tmp_path)

    assert absent_lines(models, 100) == [
        "missing, in the hub cache and where home looks:",
        f"  {SITE}: tiny fp16 fp32, base fp16 fp32",
        "missing, in the hub cache and where cache looks:",
        f"  {BASE}: base fp16 int8",
    ]
    table = "\n".join(printed(models))
    assert str(QUANTISED) in table
    assert f"{BASE}" not in table
    assert SITE not in table
    assert explanations(models) == []


def test_a_file_by_url_fits_into_the_table(store: Store, tmp_path: Path) -> None:
    """Its URL stands whole on one line, and twelve digits of its hash on the next."""
    path = tmp_path / "home" / ".cache" / "library" / "tiny.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")

    models = check(HOME[:1], store, tmp_path)

    rows = printed(models)
    at = rows.index(next(row for row in rows if row.startswith("tiny fp16")))
    assert rows[at].split() == ["tiny", "fp16", "missing", "corrupt"]
    assert rows[at + 1].split() == [SITE, "14", "bytes"]
    assert rows[at + 2].strip() == f"{HASHES['tiny'][:12]}: tiny.pt"
    assert max(map(len, rows)) <= 80
    (line,) = explanations(models)
    assert line.startswith(f"home[tiny-fp16]: library: tiny.pt: expected sha256 {HASHES['tiny']}")


def many(count: int) -> list[ModelFiles]:
    """Return the models of an owner, of one repo, and of a web server."""
    return [
        *(ModelFiles(f"org/whisper-of-a-long-name-{n}", ("weights.npz",)) for n in range(count)),
        *(ModelFiles("some/whisper.cpp", (f"{n}.bin",)) for n in range(count)),
        *(ModelFiles(SITE, (f"{n}.pt",), f"{n:064x}") for n in range(count)),
    ]


def test_plan_says_a_reason_once(store: Store) -> None:
    """With the names of all that are left out for it below, none broken, none wider than asked."""
    models = many(80)

    lines = plan_lines(offline(store).plan(models), 72)

    summary, reason, *names = lines
    assert ", 240 left out" in summary
    assert reason == (
        "  left out   240 models: offline (--offline or HF_HUB_OFFLINE); run once without that"
    )
    assert len(names) < 100
    assert max(map(len, names)) <= 72
    text = " ".join(names)
    assert re.findall(r"whisper-of-a-long-name-\d+@main", text) == [
        f"whisper-of-a-long-name-{n}@main" for n in range(80)
    ]
    assert "some: whisper.cpp@main (80 models)" in text
    assert re.findall(r"\d+\.pt", text) == [f"{n}.pt" for n in range(80)]


def test_plan_says_what_would_make_room_for_all(store: Store) -> None:
    """The limit that lets every model in; a model that is alone with its reason is told in full."""
    both = store.plan([BASE, QUANTISED], max_download=100)
    one = store.plan([BASE, QUANTISED], max_download=400_000)

    shared = plan_lines(both, 80)[1:]
    alone = plan_lines(one, 80)[1:]
    enough = store.plan([BASE, QUANTISED], max_download=700_000)

    reason, names = shared
    assert reason == (
        "  left out   2 models: no room in the 100 bytes that may be downloaded; "
        "for all there is with --max-download 601kB"
    )
    assert names == (
        "             mlx-community: whisper-base-mlx@main, whisper-base-mlx-4bit@main"
    )
    assert alone[0].startswith("  fetch      mlx-community/whisper-base-mlx@main: 300.1 kB")
    assert alone[1].startswith(f"  left out   {QUANTISED}: 300.1 kB to download do not fit")
    assert len(enough.to_fetch) == 2


def test_what_several_models_share_counts_once(store: Store) -> None:
    """In what is there as in what is to come."""
    alike = [BASE, replace(BASE, files=("weights.npz",))]
    coming = plan_lines(store.plan(alike), 80)[0]
    store.fetch(store.plan(alike))

    there = plan_lines(store.plan(alike), 80)[0]

    assert "2 to fetch (300.1 kB to download" in coming
    assert "2 there and verified (300.1 kB)" in there
