"""Sessions of the store in any order: fetches, troubles, harm and kills, for hypothesis to draw.

Whatever has happened, `Store.prepare` returns exactly the bytes of one commit of the repo that was
asked for, or raises and says why; and a model that was good stays so while replacements fail.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapters.base import ModelFiles
from fixtures.hub import CAPTIVE_PORTAL, Fault, Hub
from tests.helpers.harm import BASE, HARMS, QUANTISED, content, link_other_blob, weights
from tests.helpers.web_server import PORTAL, Trouble, WebServer
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.model import ModelError, VerifiedModel
from whisper_speedtest.cache.staging import Staging
from whisper_speedtest.hub.hosted import Watcher
from whisper_speedtest.hub.settings import HubSettings
from whisper_speedtest.hub.store import Store
from whisper_speedtest.hub.tries import Retry

WIDE = replace(BASE, files=(*BASE.files, "vocabulary.json"))
ALONE = replace(BASE, files=("vocabulary.json",))
SITE = "http://models.example"
"""Asked by way of a proxy, so that it has the same name each time."""
URL_BODIES = [weights(f"by URL {number}", 10_000) for number in range(2)]
BY_URL = tuple(
    ModelFiles(f"{SITE}/models", ("weights.npz",), hashlib.sha256(body).hexdigest())
    for body in URL_BODIES
)
MODELS = (BASE, WIDE, ALONE, QUANTISED, *BY_URL)
"""Three models of one repo, with files in common, one of another, and two of one web server."""

TROUBLES: dict[str, tuple[Fault, dict[str, Any], str]] = {
    "list-503": (Fault(status=503), {"kind": "info"}, "503"),
    "list-404": (Fault(status=404), {"kind": "info"}, "404"),
    "list-reset": (Fault(end="reset"), {"kind": "info"}, "cannot reach"),
    "portal": (CAPTIVE_PORTAL, {}, "captive portal"),
    "file-401": (Fault(status=401), {"kind": "resolve"}, "HF_TOKEN"),
    "cut": (Fault(after=10, end="close"), {"method": "GET", "kind": "resolve"}, "Error"),
    "weights-cut": (Fault(after=1000, end="close"), {"kind": "cdn"}, "Error"),
    "weights-short": (Fault(truncate=1000), {"kind": "cdn"}, "bytes"),
    "weights-wrong": (Fault(flip=0), {"kind": "cdn"}, "sha256"),
    "config-wrong": (Fault(flip=0), {"kind": "resolve", "file": "config.json"}, "sha1"),
}
SIZE = 10_000
TRIES = 2

URL_TROUBLES: dict[str, tuple[Trouble, str | None, str]] = {
    "size-503": (Trouble(503), "HEAD", "503"),
    "size-404": (Trouble(404), "HEAD", "check map"),
    "no-size": (Trouble(headers={"Content-Length": None}), "HEAD", "Content-Length"),
    "file-403": (Trouble(403), "GET", "no token is sent"),
    "portal": (PORTAL, None, "captive portal"),
    "cut": (Trouble(cut=1000), "GET", "Error"),
    "short": (Trouble(end=1000), "GET", "bytes"),
    "wrong": (Trouble(flip=0), "GET", "sha256"),
    "other": (Trouble(body=URL_BODIES[0][::-1]), "GET", "sha256"),
}


@dataclass(frozen=True)
class Part:
    """What a trouble means for a download that goes on with a part of its file.

    Attributes:
        files: How the names of the files end that meet the trouble.
        brings: Bytes that each try adds to the part.
        kept: Whether what came is there for the next session.
        spares: Whether the rest of a file is right, as the trouble befalls its first byte alone.
    """

    files: str
    brings: int = 0
    kept: bool = False
    spares: bool = False

    def ends(self, there: int, size: int) -> bool:
        """Whether a file of which so many bytes are there is whole after all tries."""
        return size - there <= TRIES * self.brings or (self.spares and there > 0)


PARTS = {
    "cut": Part(".json", brings=10, kept=True),
    "weights-cut": Part(".npz", brings=1000, kept=True),
    "weights-short": Part(".npz", brings=1000),
    "weights-wrong": Part(".npz", spares=True),
    "config-wrong": Part("config.json", spares=True),
}
URL_PARTS = {
    "cut": Part(".npz", brings=1000, kept=True),
    "wrong": Part(".npz", spares=True),
}


def lose_blob(path: Path) -> None:
    """Remove what a link leads to."""
    path.resolve().unlink()


class Killed(BaseException):
    """The end of a process, as nothing that it would still do is done."""


class Fatal(Watcher):
    """Kills at the first bytes."""

    def advance(self, repo: str, file: str, size: int) -> None:  # noqa: ARG002
        """End the process."""
        raise Killed


class Sessions(RuleBasedStateMachine):
    """Sessions one after another, and two at a time, on one cache, one hub and one web server."""

    server: ClassVar[WebServer]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.hub = self.stack.enter_context(Hub())
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        # With one worker, files come in the same order each time.
        retry = Retry(attempts=TRIES, delay=0)
        self.settings = HubSettings(Path(folder, "hub"), self.hub.endpoint, retry=retry, workers=1)
        self.cache = self.settings.cache
        self.editions: dict[str, dict[str, bytes]] = {}
        self.good: set[ModelFiles] = set()
        self.relinked = False

    @initialize()
    def serve(self) -> None:
        """Put a first commit of each repo on the hub."""
        for files in (WIDE, QUANTISED):
            first = content(files, size=SIZE)
            self.editions[self.hub.add(files.repo, first)] = first
        self.server.heal()
        for files, body in zip(BY_URL, URL_BODIES, strict=True):
            self.editions[files.revision] = {"weights.npz": body}

    def teardown(self) -> None:
        """A last session, without trouble, has every model, and removes all leftovers."""
        with self.stack:
            for files in MODELS:
                self.must_have(self.prepare(files))
                for manifest in RepoFolder(self.cache, files.repo).own.glob("*.json"):
                    manifest.unlink()
                self.must_have(self.prepare(files))
            assert list(self.cache.rglob("staging-*")) == []

    def prepare(self, files: ModelFiles, **session: Any) -> VerifiedModel | ModelError:
        """Return what a new session makes of a model; if that is one, it is the right one."""
        try:
            model = Store(replace(self.settings, **session)).prepare(files)
        except ModelError as error:
            return error
        got = {name: path.read_bytes() for name, (path, _) in model.files.items()}
        expected = self.editions[model.commit]
        assert model.repo == files.repo
        assert set(got) == set(files.files)
        assert got == {name: expected[name] for name in files.files}
        assert {name: proof.sha256 for name, (_, proof) in model.files.items()} == {
            name: hashlib.sha256(expected[name]).hexdigest() for name in files.files
        }
        self.good.add(files)
        return model

    def must_have(self, outcome: VerifiedModel | ModelError) -> None:
        """Raise an outcome that is none."""
        if isinstance(outcome, ModelError):
            raise outcome

    @rule(files=st.sampled_from(MODELS))
    def fetch(self, files: ModelFiles) -> None:
        """Without trouble every model can be had."""
        self.must_have(self.prepare(files))

    @rule(
        files=st.sampled_from(BY_URL),
        harm=st.sampled_from((None, lose_blob, *HARMS)),
        noted=st.booleans(),
        trouble=st.sampled_from(sorted(URL_TROUBLES)),
    )
    def fetch_by_url_in_trouble(
        self, files: ModelFiles, harm: Callable[[Path], None] | None, noted: bool, trouble: str
    ) -> None:
        """A file by URL is there after a trouble, or the trouble is named, and no hub is asked."""
        if harm:
            self.must_have(self.prepare(files))
            folder = RepoFolder(self.cache, files.repo)
            harm(folder.pointer(files.revision, files.files[0]))
            self.good.discard(files)
            if not noted:
                shutil.rmtree(folder.own)
            assert isinstance(self.prepare(files, offline=True), ModelError)
        to_come = self.to_come(files)
        fault, method, says = URL_TROUBLES[trouble]
        self.hub.clear()
        self.server.requests.clear()
        self.server.trouble(fault, method)
        outcome = self.prepare(files)
        met = any(request.trouble for request in self.server.requests)
        self.server.heal()
        assert self.hub.requests == []
        self.judge(files, outcome, says, met, to_come, URL_PARTS.get(trouble))

    @rule(
        files=st.sampled_from(MODELS),
        newer=st.booleans(),
        before=st.sampled_from(("weights-cut", "cut")),
        times=st.integers(0, 5),
        trouble=st.sampled_from(sorted(TROUBLES)),
    )
    def fetch_in_troubles(
        self, files: ModelFiles, newer: bool, before: str, times: int, trouble: str
    ) -> None:
        """Models are fetched in two troubles, often of a new commit or of files there in part."""
        if newer and files not in BY_URL:
            self.move(WIDE if files.repo == WIDE.repo else QUANTISED, len(self.editions))
        for each in [*[before] * times, trouble]:
            self.fetch_in_trouble(files, each)

    def fetch_in_trouble(self, files: ModelFiles, trouble: str) -> None:
        """A model is there after a fetch in trouble, or the trouble is named if it was met."""
        to_come = self.to_come(files)
        fault, where, says = TROUBLES[trouble]
        self.hub.clear()
        self.hub.fault(fault, **where)
        outcome = self.prepare(files)
        met = any(request.fault for request in self.hub.requests)
        self.hub.heal()
        self.judge(files, outcome, says, met, to_come, PARTS.get(trouble))

    def to_come(self, files: ModelFiles) -> dict[str, tuple[Path, int, int]]:
        """Return the files that are nowhere: where a part is kept, its size, and that of it all."""
        root = RepoFolder(self.cache, files.repo).root
        found = {}
        for name in files.files:
            if files in BY_URL:
                etag, body = files.revision, self.editions[files.revision][name]
            else:
                etag = self.hub.blob(files.repo, name).etag
                body = self.editions[self.hub.commit(files.repo)][name]
            places = [root / "blobs" / etag, *root.glob(f"snapshots/*/{name}")]
            if not any(path.is_file() and path.read_bytes() == body for path in places):
                part = root / ".speedtest" / f"part-{etag}" / "content"
                found[name] = part, part.stat().st_size if part.exists() else 0, len(body)
        return found

    def judge(
        self,
        files: ModelFiles,
        outcome: VerifiedModel | ModelError,
        says: str,
        met: bool,
        to_come: dict[str, tuple[Path, int, int]],
        part: Part | None,
    ) -> None:
        """A trouble that was met is named, unless what there was before was enough; parts stay."""
        lacking = [each for name, each in to_come.items() if part and name.endswith(part.files)]
        ended = part and all(part.ends(there, size) for _, there, size in lacking)
        refused = isinstance(outcome, ModelError)
        assert refused == (met and not ended)
        if refused:
            assert str(files) in str(outcome)
            assert says in str(outcome)
            for path, there, size in lacking:
                assert part
                now = path.stat().st_size if path.exists() else 0
                whole = part.ends(there, size)
                assert now == (there + TRIES * part.brings if part.kept and not whole else 0)

    @rule(
        files=st.sampled_from(MODELS),
        point=st.sampled_from(["advance", "publish", "link", "write_ref", "write_manifest"]),
        calls=st.integers(0, 2),
    )
    def kill(self, files: ModelFiles, point: str, calls: int) -> None:
        """End a session at any point, with its staging folder as it is, and unlocked."""
        left = calls

        def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
            def guard(*arguments: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return call(*arguments)

            return guard

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("whisper_speedtest.cache.staging.shutil.rmtree", lambda *_, **__: None)
            if point != "advance":
                patch.setattr(Staging, point, guarded(getattr(Staging, point)))
            try:
                Store(self.settings).prepare(files, Fatal() if point == "advance" else None)
            except Killed:
                return

    @rule(files=st.sampled_from(MODELS))
    def fetch_twice_at_once(self, files: ModelFiles) -> None:
        """Two sessions that fetch a model at once both have it."""
        with ThreadPoolExecutor(2) as pool:
            for outcome in pool.map(self.prepare, [files, files]):
                self.must_have(outcome)

    @rule(files=st.sampled_from((WIDE, QUANTISED)), number=st.integers(1, 3))
    def move(self, files: ModelFiles, number: int) -> None:
        """The hub's main goes on to another commit, or back."""
        edition = content(files, str(number), size=SIZE)
        self.editions[self.hub.move(files.repo, "main", edition)] = edition

    @rule(files=st.sampled_from((BASE, QUANTISED)), name=st.sampled_from(BASE.files))
    def fetch_one_file_by_another_tool(self, files: ModelFiles, name: str) -> None:
        """huggingface_hub makes the revision stand for the newest commit, of which it has a part.

        What lies in the cache it takes as it is, so that it is given a good model first.
        """
        from huggingface_hub import hf_hub_download

        self.must_have(self.prepare(files))
        hf_hub_download(
            *(files.repo, name),
            cache_dir=self.cache,
            endpoint=self.hub.endpoint,
            token=False,
        )

    def snapshot_files(self, files: ModelFiles, name: str) -> list[Path]:
        """Return a file in each commit that the cache has it of."""
        snapshots = RepoFolder(self.cache, files.repo).root / "snapshots"
        return [path for path in snapshots.glob(f"*/{name}") if path.exists()]

    @precondition(lambda self: not self.relinked)
    @rule(
        files=st.sampled_from((BASE, QUANTISED, *BY_URL)),
        name=st.sampled_from(BASE.files),
        harm=st.sampled_from(HARMS),
        repair=st.booleans(),
    )
    def harm(
        self, files: ModelFiles, name: str, harm: Callable[[Path], None], repair: bool
    ) -> None:
        """Something befalls a file of every commit that is there.

        Against a link to another blob there is the manifest alone: no more harm after that one.
        """
        self.must_have(self.prepare(files))
        for path in self.snapshot_files(files, name):
            self.lose(files)
            harm(path)
        self.relinked = harm is link_other_blob
        self.what_was_good_is_there_offline()
        if repair:
            self.must_have(self.prepare(files))

    @precondition(lambda self: not self.relinked)
    @rule(
        files=st.sampled_from((BASE, QUANTISED, *BY_URL)),
        name=st.sampled_from(BASE.files),
        blob=st.booleans(),
    )
    def delete(self, files: ModelFiles, name: str, blob: bool) -> None:
        """A file's link goes, or its blob."""
        self.must_have(self.prepare(files))
        for path in self.snapshot_files(files, name):
            self.lose(files)
            (path.resolve() if blob else path).unlink(missing_ok=True)

    @rule(
        files=st.sampled_from((BASE, QUANTISED, *BY_URL)),
        what=st.sampled_from(["refs/main", ".speedtest/*.json"]),
        text=st.sampled_from([None, "", "{}", "\0", "0" * 40]),
    )
    def spoil_notes(self, files: ModelFiles, what: str, text: str | None) -> None:
        """The ref or the manifests become something else, or go.

        Without any manifest, a link to another blob is not to be told from the right one.
        """
        if text is None and self.relinked:
            return
        for path in list(RepoFolder(self.cache, files.repo).root.glob(what)):
            self.lose(files)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)

    def lose(self, files: ModelFiles) -> None:
        """No model of the repo is known to be good any more."""
        self.good -= {each for each in MODELS if each.repo == files.repo}

    @invariant()
    def what_was_good_is_there_offline(self) -> None:
        """A model that was good is there offline; any other says why not, and is nothing else."""
        good = set(self.good)
        for files in MODELS:
            outcome = self.prepare(files, offline=True)
            if files in good:
                self.must_have(outcome)
            elif isinstance(outcome, ModelError):
                assert str(files) in str(outcome)
                assert "offline" in str(outcome)
