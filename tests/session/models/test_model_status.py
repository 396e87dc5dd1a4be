"""The state of models in the hub cache and where libraries look: each file hashed once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from adapters import REGISTRY
from adapters.base import Case, CheckMap, ModelFiles
from tests.helpers.harm import BASE, QUANTISED, content, flip_bit, weights
from tests.helpers.toy_adapter import Toy
from tests.helpers.web_server import WebServer
from whisper_speedtest.cache import embedded
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.inspection import CachedFile
from whisper_speedtest.session.models.check import as_json
from whisper_speedtest.session.models.model_report import explanations
from whisper_speedtest.session.models.model_status import check, find_origin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fixtures.hub import Hub
    from whisper_speedtest.hub.store import Store

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
    from whisper_speedtest.cache import hashes

    counts: Counter[str] = Counter()
    digest = hashes.digest

    def counted(path: Path, etag: str) -> object:
        done = digest(path, etag)
        counts[path.name] += 1
        return done

    monkeypatch.setattr("whisper_speedtest.cache.inspecting.digest", counted)
    monkeypatch.setattr("whisper_speedtest.session.models.model_status.digest", counted)
    return counts


def test_a_place_may_be_in_the_home(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: Counter[str]
) -> None:
    """A library's place may be in the user's home, and each file there is hashed once.

    What a URL's file must be is known without the cache; other bytes are known by their URL.
    """
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

    states = [(model.cache.state, model.own_place.state) for model in right]
    assert states == [("missing", "complete")] * 2 + [("complete", "complete")] * 2
    assert counts == {"tiny.pt": 1, "base.pt": 2}
    (file,) = wrong[0].own_place.findings.values()
    assert (file.state, file.path) == ("other model", folder / "tiny.pt")
    assert f"tiny.pt: is {base.repo}@{base.revision[:12]} base.pt, at {file.path}" == file.reason
    assert [model["repo"] for model in as_json(right, store.settings.cache)["models"]] == [
        files.repo for files in (tiny, tiny, base, base)
    ]


def test_a_place_may_be_the_hub_cache(store: Store, tmp_path: Path, hashed: Counter[str]) -> None:
    """A library whose place is the hub cache has the state and files of the hub cache.

    A file that cases share is hashed once for all of them.
    """
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


def put(cache: Path, repo: str, name: str, body: bytes, *, git: bool = False) -> Path:
    """Put a file into a repo's folder, named by its sha256 or git's sha1; return the link."""
    folder = RepoFolder(cache, repo)
    folder.blobs.mkdir(parents=True, exist_ok=True)
    blob = f"blob {len(body)}\0".encode() + body
    etag = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    etag = etag if git else hashlib.sha256(body).hexdigest()
    (folder.blobs / etag).write_bytes(body)
    link = folder.pointer("c" * 40, name)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder.blobs / etag)
    return link


@pytest.mark.parametrize("git", [False, True])
def test_origin_is_the_cached_file_of_the_same_content(tmp_path: Path, git: bool) -> None:
    """A file's origin is the cached file of the same content, first by the name of its repo."""
    for repo in ("org/second", "org/first"):
        put(tmp_path / "hub", repo, "deep/w.npz", b"known", git=git)
    (found := tmp_path / "found").write_bytes(b"known")
    (other := tmp_path / "other").write_bytes(b"unknown")

    origin = find_origin(tmp_path / "hub", found, prove(found).sha256, tmp_path)

    assert origin == CachedFile("org/first", "c" * 40, "deep/w.npz")
    assert find_origin(tmp_path / "hub", other, prove(other).sha256, tmp_path) is None


def test_blob_that_no_commit_has_now_is_an_origin_without_a_name(tmp_path: Path) -> None:
    """A blob that no commit has a name for is an origin by its repo alone."""
    for repo in ("org/z", "org/model"):
        put(tmp_path / "hub", repo, "w.npz", b"known").unlink()
    (found := tmp_path / "found").write_bytes(b"known")

    origin = find_origin(tmp_path / "hub", found, prove(found).sha256, tmp_path)

    assert origin == CachedFile("org/model", "", "")


def test_blob_that_a_wrong_link_leads_to_is_no_origin_of_itself(
    store: Store, tmp_path: Path
) -> None:
    """A file whose link leads to a wrong blob is corrupt, or another model if a repo has it."""
    link = store.prepare(BASE).files["weights.npz"][0]
    right = prove(link)
    etag = hashlib.sha256(b"swapped").hexdigest()
    (blob := RepoFolder(store.settings.cache, BASE.repo).blobs / etag).write_bytes(b"swapped")
    link.resolve().unlink()
    link.unlink()
    link.symlink_to(blob)

    (alone, *_) = check(CACHE, store, tmp_path)
    put(store.settings.cache, "org/z", "w.npz", b"swapped")
    (known, *_) = check(CACHE, store, tmp_path)

    assert (alone.cache.state, alone.verified) == ("corrupt", None)
    assert alone.cache.findings["weights.npz"].reason == (
        f"weights.npz: expected sha256 {right.sha256} of {right.size} bytes "
        f"(as when it was verified), got {etag} of 7 bytes at {link}"
    )
    assert (known.cache.state, known.verified) == ("other model", None)
    assert known.cache.findings["weights.npz"].origin == CachedFile("org/z", "c" * 40, "w.npz")


def test_file_of_another_commit_of_the_repo_is_another_model(store: Store, tmp_path: Path) -> None:
    """A file with the content of another commit of its repo is another model."""
    link = store.prepare(BASE).files["weights.npz"][0]
    older = put(store.settings.cache, BASE.repo, "weights.npz", b"older")
    link.unlink()
    link.symlink_to(older.resolve())

    (status, *_) = check(CACHE, store, tmp_path)

    assert status.cache.state == "other model"
    origin = CachedFile(BASE.repo, "c" * 40, "weights.npz")
    assert status.cache.findings["weights.npz"].origin == origin


def test_file_without_a_link_that_is_another_repos_is_another_model(
    store: Store, tmp_path: Path
) -> None:
    """A file without a link is another model if another repo has its content, and else unknown."""
    folder = RepoFolder(store.settings.cache, BASE.repo)
    for name in BASE.files:
        path = folder.pointer("d" * 40, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (folder.root / "refs").mkdir()
    (folder.root / "refs" / "main").write_text("d" * 40)

    (nobodys, *_) = check(CACHE, store, tmp_path)
    put(store.settings.cache, "org/another", "w.npz", b"weights.npz")
    (anothers, *_) = check(CACHE, store, tmp_path)

    assert (nobodys.cache.state, nobodys.verified) == ("unknown", None)
    assert anothers.cache.state == "other model"
    findings = anothers.cache.findings
    assert {name: each.state for name, each in findings.items()} == {
        "weights.npz": "other model",
        "config.json": "unknown",
    }
    assert findings["weights.npz"].origin == CachedFile("org/another", "c" * 40, "w.npz")


def test_file_that_the_cache_knows_nothing_of_is_unknown(store: Store, tmp_path: Path) -> None:
    """A library's file is unknown if the cache does not say what it must be.

    It is another model if another repo in the cache has its content.
    """
    case = Case("toy", "micro", "good")
    place = tmp_path / "models" / "micro" / "config.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"{}")
    entry = ModelFiles("org/of-the-toy", ("config.json",))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
        patch.setattr(Toy, "check_map", {"micro": {"good": entry}})
        (nothing,) = check([case], store, tmp_path)
        put(store.settings.cache, "org/of-the-toy", "config.json", b"{}")
        (own,) = check([case], store, tmp_path)
        put(store.settings.cache, "org/another", "config.json", b"[]")
        place.write_bytes(b"[]")
        (another,) = check([case], store, tmp_path)

    for status in (nothing, own):
        (finding,) = status.own_place.findings.values()
        assert (status.cache.state, status.own_place.state) == ("missing", "unknown")
        assert finding.reason == (
            f"config.json: nothing in the cache says what main has here, at {place}"
        )
    (finding,) = another.own_place.findings.values()
    assert finding.state == "other model"
    assert finding.origin == CachedFile("org/another", "c" * 40, "config.json")


@pytest.fixture(name="entry")
def _entry(monkeypatch: pytest.MonkeyPatch, store: Store, hub: Hub) -> ModelFiles:
    """What the toy library's check map names: a file on the hub, which is in the cache."""
    entry = ModelFiles("org/of-the-toy", ("config.json",))
    hub.add(entry.repo, {"config.json": b'{"of": "the toy"}'})
    store.prepare(entry)
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    monkeypatch.setattr(Toy, "check_map", {"micro": {"good": entry}})
    return entry


TOY = Case("toy", "micro", "good")


@pytest.mark.parametrize(
    ("body", "state", "reason"),
    [
        (b'{"of": "the toy"}', "complete", ""),
        (b"other", "corrupt", "expected git sha1 .*, got .* of 5 bytes, at "),
        (None, "missing", "not at "),
        (..., "corrupt", "cannot be read: "),
    ],
    ids=["right", "wrong", "none", "a-folder"],
)
def test_file_in_the_librarys_place_is_compared_with_the_caches(
    store: Store, tmp_path: Path, entry: ModelFiles, body: Any, state: str, reason: str
) -> None:
    """A library's file is compared with the hash that the hub cache has for it."""
    place = tmp_path / "models" / "micro" / "config.json"
    place.parent.mkdir(parents=True)
    if isinstance(body, bytes):
        place.write_bytes(body)
    elif body is ...:
        place.mkdir()

    (status,) = check([TOY], store, tmp_path)

    (finding,) = status.own_place.findings.values()
    assert (status.cache.state, finding.state, finding.path) == ("complete", state, place)
    assert re.match(f"config.json: {reason}" if reason else "$", finding.reason)
    assert status.verified == store.inspect(entry).verified()
    assert (finding.proof is None) == (body in {None, ...})


def test_file_in_the_librarys_place_is_as_confirmed_as_the_caches(
    store: Store, tmp_path: Path, entry: ModelFiles
) -> None:
    """A library's file is unconfirmed if the cached one is, unless it is wrong."""
    (place := tmp_path / "models" / "micro" / "config.json").parent.mkdir(parents=True)
    place.write_bytes(b'{"of": "the toy"}')
    (confirmed,) = check([TOY], store, tmp_path)
    (manifest,) = RepoFolder(store.settings.cache, entry.repo).own.glob("*.json")
    manifest.unlink()

    (doubtful,) = check([TOY], store, tmp_path)
    place.write_bytes(b"other")
    (wrong,) = check([TOY], store, tmp_path)

    statuses = (confirmed, doubtful, wrong)
    assert [each.cache.unconfirmed for each in statuses] == [False, True, True]
    assert [each.own_place.unconfirmed for each in statuses] == [False, True, False]
    assert doubtful.verified is not None


def test_file_in_the_cache_that_is_another_repos_is_told_so(
    store: Store, hub: Hub, tmp_path: Path, entry: ModelFiles
) -> None:
    """A cached file that is another repo's is told with its repo, commit and file."""
    store.prepare(QUANTISED)
    path = store.inspect(entry).findings["config.json"].path
    path.write_bytes(content(QUANTISED)["config.json"])

    (status,) = check([TOY], store, tmp_path)

    (finding,) = status.cache.findings.values()
    origin = CachedFile(QUANTISED.repo, hub.commit(QUANTISED.repo), "config.json")
    assert (status.cache.state, finding.origin) == ("other model", origin)
    assert finding.reason == f"config.json: is {origin}, at {path}"
    assert status.verified is None


def test_model_that_the_project_cannot_make_says_why(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that the project cannot make is corrupt, and the reason is told."""
    monkeypatch.setitem(REGISTRY, "toy", "tests.helpers.toy_adapter:Toy")
    entry = ModelFiles("embedded/micro-mlx-3bit", ("config.json",))
    monkeypatch.setattr(Toy, "check_map", {"micro": {"good": entry}})
    monkeypatch.setattr(embedded, "CACHE", tmp_path / "exports")

    (status,) = check([Case("toy", "micro", "good")], store, tmp_path)

    assert (status.cache.state, status.own_place.state, status.absent) == (
        "corrupt",
        "missing",
        False,
    )
    assert status.verified is None
    (line,) = explanations([status])
    assert line.startswith(
        "toy[micro-good]: suite's cache: embedded/micro-mlx-3bit: expected fixtures"
    )
