"""`--check-models`, `--prefetch-only` and their kin: the real pytest, against the loopback hub."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters import files_of
from adapters.base import Case
from fixtures.hub import Fault, Hub
from tests.helpers.harm import flip_bit, kept_times, truncate
from tests.helpers.project import ROOT, child_environment
from whisper_speedtest.cache.folders import RepoFolder
from whisper_speedtest.cache.hashes import prove
from whisper_speedtest.cache.inspecting import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.base import ModelFiles

ADAPTER = "lightning-whisper-mlx"
TOKEN = "hf_" + "secret" * 5
SMALL, LARGE = 200_000, 2_000_000  # bytes of a stand-in's weights


def entry(case: str) -> ModelFiles:
    """Return the check map's entry for `size-variant`."""
    size, _, variant = case.rpartition("-")
    return files_of(Case(ADAPTER, size, variant))


FETCHED = ("tiny-fp16", "base-fp16", "base-8bit", "small-fp16", "medium-fp16")
SIZES = dict.fromkeys(FETCHED, SMALL) | {"tiny-8bit": SMALL, "tiny-4bit": LARGE}


def select(*cases: str) -> str:
    """Return the value of -k that selects these cases of one library."""
    named = " or ".join(f"({case.replace('-', ' and ')})" for case in cases)
    return f"lightning and ({named}) and not distil"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session of pytest ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that was printed."""
        return self.stdout + self.stderr


@pytest.fixture(name="hub", scope="module")
def _hub() -> Iterator[Hub]:
    """A hub that serves stand-ins of a few models."""
    with Hub(token=TOKEN) as hub:
        for case, size in SIZES.items():
            files = entry(case)
            hub.add_stand_in(files.repo, files.files, size=size)
        yield hub


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> None:
    """Each test begins with a hub that works and has been asked for nothing."""
    if "hub" in request.fixturenames:
        hub: Hub = request.getfixturevalue("hub")
        hub.heal()
        hub.clear()


def command(*arguments: str) -> list[str]:
    """Return the command line of a session that runs the loads of the real benchmarks."""
    tests = [f"{ROOT}/benchmarks/test_start.py::test_load"]
    options = ["-p", "no:cacheprovider", "-c", f"{ROOT}/pyproject.toml", f"--rootdir={ROOT}"]
    return [sys.executable, "-m", "pytest", *tests, *options, *arguments]


def environment(hub: Hub, home: Path) -> dict[str, str]:
    """Return a session's environment: the loopback hub, its token, 80 columns."""
    return child_environment(**hub.env(home=home, token=True), CI="1")


def run(hub: Hub, home: Path, folder: Path, *arguments: str) -> Ended:
    """Run a session to its end in `folder`, with `home` as HF_HOME."""
    ended = subprocess.run(
        command(f"--journal={home}/session.jsonl", *arguments),
        cwd=folder,
        env=environment(hub, home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert TOKEN not in ended.stdout + ended.stderr
    assert "INTERNALERROR" not in ended.stdout + ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture(name="home", scope="module")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An HF_HOME, with letters that not every program likes."""
    return tmp_path_factory.mktemp("Ünï cödé")


@pytest.fixture(name="prefetched", scope="module")
def _prefetched(hub: Hub, home: Path) -> tuple[Ended, list[tuple[str | None, str | None]]]:
    """A session that fetched a few models into `home`, and the downloads that it made."""
    hub.clear()
    ended = run(hub, home, home, "--prefetch-only", "-k", select(*FETCHED))
    return ended, [(each.repo, each.file) for each in hub.requests if each.kind == "resolve"]


def weights(cache: Path, case: str) -> Path:
    """Return where a case's weights lie in the cache: the link."""
    finding = inspect(cache, entry(case)).findings["weights.npz"]
    assert finding.state == "complete"
    return finding.path


@pytest.fixture(name="harmed", scope="module")
def _harmed(prefetched: object, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which libraries have left models in every state, as `home`'s cache then is."""
    assert prefetched
    cache = home / "hub"
    folder = tmp_path_factory.mktemp("cwd")
    for case in ("tiny-fp16", "base-fp16", "small-fp16"):
        place = folder / "mlx_models" / case.partition("-")[0]
        shutil.copytree(weights(cache, case).parent, place)
    (folder / "mlx_models" / "base" / "config.json").unlink()
    truncate(folder / "mlx_models" / "small" / "weights.npz")
    stranger = folder / "mlx_models" / "large-v2" / "weights.npz"
    stranger.parent.mkdir()
    stranger.write_bytes(b"of unknown descent")

    weights(cache, "base-fp16").with_name("config.json").unlink()
    flip_bit(weights(cache, "small-fp16"))
    other = weights(cache, "base-8bit").read_bytes()
    with kept_times(path := weights(cache, "medium-fp16")):
        path.write_bytes(other)
    return folder


STATES = {
    "tiny-fp16": ("complete", "complete"),
    "tiny-4bit": ("missing", "other model"),  # they share a folder
    "base-fp16": ("incomplete", "incomplete"),
    "base-8bit": ("complete", "other model"),
    "small-fp16": ("corrupt", "corrupt"),
    "medium-fp16": ("other model", "missing"),
    "large-v2-fp16": ("missing", "unknown"),
}
"""case → its state in the hub cache, and where the library looks."""

ORIGINS = {
    ("tiny-4bit", "library"): "tiny-fp16",
    ("base-8bit", "library"): "base-fp16",
    ("medium-fp16", "cache"): "base-8bit",
}
"""(case, place) → the case whose weights are there."""


@pytest.fixture(name="document", scope="module")
def _document(hub: Hub, home: Path, harmed: Path) -> dict[str, Any]:
    """What `--check-models=json` prints of them all; the session's status is 1, it asks nothing."""
    hub.clear()
    ended = run(hub, home, harmed, "--check-models=json", "-k", select(*STATES))
    assert (ended.status, hub.requests) == (pytest.ExitCode.TESTS_FAILED, [])
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_prefetch_fetches_each_file_once_and_says_so(
    prefetched: tuple[Ended, list[tuple[str, str]]],
) -> None:
    """A pre-fetch fetches each file once, runs no test, and says that every model is complete."""
    ended, downloads = prefetched

    assert ended.status == pytest.ExitCode.OK, ended.text
    assert "models: 5 of 5 complete and verified" in ended.stdout
    assert "passed" not in ended.stdout
    assert sorted(downloads) == sorted(
        (entry(case).repo, file) for case in FETCHED for file in entry(case).files
    )


@pytest.mark.parametrize("name", STATES)
def test_each_state_is_told_from_the_others(document: dict[str, Any], name: str) -> None:
    """A check tells each state of a model from the others, in the hub cache and its own folder."""
    (model,) = (m for m in document["models"] if f"{m['size']}-{m['variant']}" == name)
    files = entry(name)

    assert (model["cache"]["state"], model["library"]["state"]) == STATES[name]
    assert (model["adapter"], model["repo"], model["revision"]) == (ADAPTER, files.repo, "main")
    assert model["files"] == list(files.files)
    for place in ("cache", "library"):
        origin = model[place]["files"][0]["origin"]
        expected = entry(ORIGINS[name, place]).repo if (name, place) in ORIGINS else None
        assert (origin and origin["repo"]) == expected
        assert [file["name"] for file in model[place]["files"]] == list(files.files)
        for file in model[place]["files"]:
            there = Path(file["path"]).is_file()
            proof = prove(Path(file["path"])) if there else None
            assert (file["bytes"], file["sha256"]) == (
                (proof.size, proof.sha256) if proof else (None, None)
            )
            assert bool(file["reason"]) == (file["state"] != "complete")


def test_document_says_that_not_all_is_complete(document: dict[str, Any], home: Path) -> None:
    """A check's document says that not all models are complete, in the tests' order."""
    assert (document["complete"], document["cache"]) == (False, str(home / "hub"))
    assert not any("loads" in model for model in document["models"])
    found = [f"{model['size']}-{model['variant']}" for model in document["models"]]
    assert found == list(STATES)


def test_table_fits_eighty_columns_and_explains_what_is_wrong(
    hub: Hub, home: Path, harmed: Path
) -> None:
    """The table of models fits 80 columns, and below it stands what is wrong and what to do."""
    ended = run(hub, home, harmed, "--check-models", "-k", select(*STATES))

    assert (ended.status, hub.requests) == (pytest.ExitCode.TESTS_FAILED, [])
    table = ended.stdout[ended.stdout.index("model, repo@") : ended.stdout.index("hub cache: /")]
    rows = table[: table.index(f"{ADAPTER}[")].splitlines()
    assert max(map(len, rows)) <= 80
    for case, states in STATES.items():
        size, _, variant = case.rpartition("-")
        (at,) = (n for n, row in enumerate(rows) if row.startswith(f"{size} {variant} "))
        assert re.split(r"\s{2,}", rows[at].strip())[1:] == list(states)
        assert rows[at + 1].startswith(f"{entry(case)}")
    assert f"{ADAPTER}[tiny-4bit]: own folder: weights.npz: is {entry('tiny-fp16').repo}@" in table
    assert f"{ADAPTER}[small-fp16]: hub cache: weights.npz: expected sha256 " in table
    assert "models: 2 of 7 complete and verified in the hub cache; next: pytest " in ended.stdout
    assert "--prefetch-only" in ended.stdout


def test_complete_selection_has_status_0(hub: Hub, home: Path, harmed: Path) -> None:
    """A check passes if the hub cache is complete, whatever lies where the library looks."""
    ended = run(hub, home, harmed, "--check-models", "-k", select("tiny-fp16", "base-8bit"))

    assert (ended.status, hub.requests) == (pytest.ExitCode.OK, []), ended.text
    assert "models: 2 of 2 complete and verified in the hub cache; next: pytest " in ended.stdout


def test_load_is_tried_where_the_files_are_complete(hub: Hub, home: Path, harmed: Path) -> None:
    """A load is tried only if the files of a model are complete, and its error is shown."""
    cases = select("micro-fp16", "tiny-fp16", "tiny-4bit")
    ended = run(hub, home, harmed, "--check-models=load", "--device=cpu", "-k", cases)

    assert (ended.status, hub.requests) == (pytest.ExitCode.TESTS_FAILED, [])
    assert re.search(r"^micro fp16 +complete .* loads *$", ended.stdout, re.MULTILINE)
    assert re.search(r"^tiny fp16 .* fails *$", ended.stdout, re.MULTILINE)
    assert re.search(r"^tiny 4bit .* not tried *$", ended.stdout, re.MULTILINE)
    assert f"{ADAPTER}[tiny-fp16]: load: " in ended.stdout


def test_load_that_fails_fails_the_check(hub: Hub, home: Path, harmed: Path) -> None:
    """A load that fails fails the check, though every file is right."""
    cases = select("micro-fp16", "tiny-fp16")
    ended = run(hub, home, harmed, "--check-models=load,json", "--device=cpu", "-k", cases)

    document = json.loads(ended.stdout)
    loads = {f"{model['size']}-{model['variant']}": model["loads"] for model in document["models"]}
    assert (ended.status, document["complete"], hub.requests) == (1, True, [])
    assert loads.pop("tiny-fp16").startswith("load raised ")
    assert loads == {"micro-fp16": "loads"}


def test_loads_that_succeed_have_status_0(hub: Hub, home: Path, harmed: Path) -> None:
    """A check whose loads all succeed has status 0."""
    options = ("--device=cpu", "-k", select("micro-fp16"))

    ended = run(hub, home, harmed, "--check-models=load", *options)

    assert (ended.status, hub.requests) == (pytest.ExitCode.OK, []), ended.text
    assert re.search(r"^micro fp16 +complete .* loads *$", ended.stdout, re.MULTILINE)


def test_nothing_selected_is_not_all_complete(hub: Hub, home: Path, tmp_path: Path) -> None:
    """A check without any selected model has status 5, and its document is not complete."""
    ended = run(hub, home, tmp_path, "--check-models=json", "-k", "no_such_size")

    assert ended.status == pytest.ExitCode.NO_TESTS_COLLECTED
    assert json.loads(ended.stdout)["complete"] is False


def test_sessions_without_hub_models_are_quiet(hub: Hub, home: Path, tmp_path: Path) -> None:
    """A session that needs no model of a hub asks the hub nothing and says nothing of models."""
    micro = run(
        hub,
        home,
        tmp_path,
        f"{ROOT}/tests/speech/test_scoring.py",
        "--setup-plan",
        "--device=cpu",
        "-k",
        "micro",
    )
    collected = run(hub, home, tmp_path, "--collect-only", "--prefetch-only", "-k", "tiny")

    assert hub.requests == []
    assert "models: " not in micro.stdout + collected.stdout
    assert (micro.status, collected.status) == (0, 0), micro.text + collected.text


def test_what_a_library_has_put_into_its_own_place_is_not_downloaded(
    hub: Hub, harmed: Path, tmp_path: Path
) -> None:
    """A file that the library has put into its own place is not downloaded, and stays there.

    A file that is cut off there is downloaded.
    """
    small = harmed / "mlx_models" / "small" / "weights.npz"
    cut = small.read_bytes()
    hub.clear()

    ended = run(
        *(hub, tmp_path, harmed, "--prefetch-only"), *("-k", select("tiny-fp16", "small-fp16"))
    )

    assert ended.status == pytest.ExitCode.OK, ended.text
    assert f"fetch      {entry('tiny-fp16')}: 0 bytes" in ended.stdout
    assert f"verified   {entry('tiny-fp16')}" in ended.stdout
    assert "models: 2 of 2 complete and verified" in ended.stdout
    downloads = [(each.repo, each.file) for each in hub.requests if each.kind == "resolve"]
    assert downloads == [(entry("small-fp16").repo, "weights.npz")]
    assert small.read_bytes() == cut
    ended = run(
        *(hub, tmp_path, harmed, "--offline", "--prefetch-only"), *("-k", select("tiny-fp16"))
    )
    assert ended.status == pytest.ExitCode.OK, ended.text


def test_weights_that_the_manifest_contradicts_are_neither_complete_nor_loaded(
    hub: Hub, prefetched: object, home: Path, tmp_path: Path
) -> None:
    """Weights that differ from the manifest are neither complete nor loaded.

    The next pre-fetch that is online replaces them by the right ones.
    """
    assert prefetched
    shutil.copytree(home / "hub", tmp_path / "hub", symlinks=True)
    link = weights(tmp_path / "hub", "tiny-fp16")
    right = prove(link)
    wrong = hashlib.sha256(b"other weights").hexdigest()
    link.resolve().unlink()
    (blob := link.resolve().with_name(wrong)).write_bytes(b"other weights")
    link.unlink()
    link.symlink_to(blob)
    hub.clear()
    tiny = ("-k", select("tiny-fp16"))

    checked = run(hub, tmp_path, tmp_path, "--check-models=load,json", "--device=cpu", *tiny)
    offline = run(hub, tmp_path, tmp_path, "--prefetch-only", "--offline", *tiny)
    asked = list(hub.requests)
    online = run(hub, tmp_path, tmp_path, "--prefetch-only", *tiny)

    (model,) = json.loads(checked.stdout)["models"]
    (reason,) = (file["reason"] for file in model["cache"]["files"] if file["reason"])
    assert checked.status == pytest.ExitCode.NO_TESTS_COLLECTED, "nothing could be loaded"
    assert model["cache"]["state"] == "corrupt"
    assert model["loads"] == "not tried"
    assert f"expected sha256 {right.sha256} of {right.size} bytes" in reason
    assert f"got {wrong} of 13 bytes" in reason
    assert (offline.status, asked) == (1, []), offline.text
    assert right.sha256 in offline.stdout
    assert online.status == 0, online.text
    assert prove(weights(tmp_path / "hub", "tiny-fp16")) == right


def test_what_does_not_fit_names_the_flag_and_is_asked_for_once(hub: Hub, tmp_path: Path) -> None:
    """A model that does not fit into --max-download is skipped, with that option and its size."""
    size = ("--max-download", "1MB")
    ended = run(hub, tmp_path, tmp_path, *size, "--benchmark-only", "-k", select("tiny-4bit"))

    assert ended.status == pytest.ExitCode.NO_TESTS_COLLECTED, ended.text
    assert "  left out   " in ended.stdout
    assert "skipped:  no room in the 1.0 MB that may be downloaded" in ended.stdout
    assert f"          {ADAPTER}[tiny-4bit]: {entry('tiny-4bit').repo}\n" in ended.stdout
    assert "raise that with --max-download 2.1MB" in ended.stdout
    assert [request.kind for request in hub.requests] == ["info"]

    ended = run(hub, tmp_path, tmp_path, *size, "--prefetch-only", "-k", "lightning and tiny")

    assert ended.status == pytest.ExitCode.TESTS_FAILED, ended.text
    assert "models: 2 of 3 complete and verified" in ended.stdout
    assert entry("tiny-4bit").repo not in {repo for repo, *_ in hub.downloads()}


def test_more_than_the_disk_holds_is_refused_before_the_first_byte(
    hub: Hub, tmp_path: Path
) -> None:
    """A model that is larger than the free disk is refused before any byte is downloaded."""
    from urllib.request import ProxyHandler, build_opener

    repo = entry("tiny-fp16").repo
    with build_opener(ProxyHandler({})).open(
        f"{hub.endpoint}/api/models/{repo}?blobs=true"
    ) as answer:
        listing = json.load(answer)
    for sibling in listing["siblings"]:
        if sibling["rfilename"] == "weights.npz":
            sibling["size"] = sibling["lfs"]["size"] = 10**15
    json_type = {"Content-Type": "application/json"}
    body = json.dumps(listing).encode()
    hub.fault(Fault(status=200, body=body, headers=json_type), repo=repo, kind="info")
    limits = ("--max-download", "10000000TB")

    ended = run(hub, tmp_path, tmp_path, *limits, "--prefetch-only", "-k", select("tiny-fp16"))

    assert ended.status == pytest.ExitCode.TESTS_FAILED, ended.text
    assert re.search(rf"left out   {repo}@main: .*1000\.0 TB", ended.stdout)
    assert "models: 0 of 1 complete and verified" in ended.stdout
    assert hub.downloads() == set()


def test_offline_asks_nothing(hub: Hub, tmp_path: Path) -> None:
    """An offline session makes no request, and leaves out what is missing with the reason."""
    ended = run(hub, tmp_path, tmp_path, "--offline", "--prefetch-only", "-k", select("tiny-fp16"))

    assert (ended.status, hub.requests) == (pytest.ExitCode.TESTS_FAILED, [])
    assert "offline (--offline or HF_HUB_OFFLINE)" in ended.stdout


class Terminal:
    """A session of pytest at a terminal, whose screen is read as it goes on."""

    def __init__(self, hub: Hub, home: Path, *arguments: str) -> None:
        """Start it."""
        self._master, slave = pty.openpty()
        variables = environment(hub, home) | {"TERM": "xterm-256color"}
        del variables["CI"]
        self.process = subprocess.Popen(
            command(*arguments), cwd=home, env=variables, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self._screen = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def screen(self) -> str:
        """All that was written so far, control codes left out."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._screen.decode(errors="replace"))

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._master, 4096)
            except OSError:  # what Linux says at the end
                return
            if not piece:
                return
            self._screen += piece

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds while the session runs."""
        while not condition():
            assert self.process.poll() is None, self.screen
            time.sleep(0.02)

    def end(self) -> int:
        """Wait for its end, and return its status."""
        status = self.process.wait(timeout=30)
        self._reader.join()
        os.close(self._master)
        return status


def test_ctrl_c_in_a_download_leaves_a_part_for_the_next_run(hub: Hub, tmp_path: Path) -> None:
    """Ctrl-C in a download leaves its part for the next run, and ends without a traceback."""
    files = entry("tiny-4bit")
    shown = threading.Event()
    hub.fault(Fault(do=lambda _: shown.wait(30), rate=LARGE / 5), kind="cdn")
    own = RepoFolder(tmp_path / "hub", files.repo).own

    terminal = Terminal(hub, tmp_path, "--prefetch-only", "-k", select("tiny-4bit"))
    terminal.wait_for(lambda: f"fetch      {files}: 2.0 MB" in terminal.screen)
    shown.set()
    terminal.wait_for(lambda: any(part.stat().st_size > LARGE / 50 for part in own.glob("*/*")))
    terminal.wait_for(lambda: f"{files.repo} weights.npz" in terminal.screen)
    terminal.process.send_signal(signal.SIGINT)
    status = terminal.end()

    assert status == pytest.ExitCode.INTERRUPTED, terminal.screen
    assert "interrupted while fetching models" in terminal.screen
    assert "Traceback" not in terminal.screen
    etag = hub.blob(files.repo, "weights.npz").etag
    left = {str(path.relative_to(own)) for path in own.rglob("*") if path.is_file()}
    assert left == {f"part-{etag}/content", f"part-{etag}/lock"}
    assert not (own.parent / "blobs" / etag).exists()


def test_usage_errors_say_what_to_write(hub: Hub, home: Path, tmp_path: Path) -> None:
    """The usage errors of --check-models say where a path goes and which option to leave out."""
    path = run(hub, home, tmp_path, "--check-models", "benchmarks")
    both = run(hub, home, tmp_path, "--check-models", "--prefetch-only")

    assert (path.status, both.status) == (pytest.ExitCode.USAGE_ERROR,) * 2
    assert "got 'benchmarks'; a path goes before it" in path.stderr
    assert "leave out --prefetch-only" in both.stderr
