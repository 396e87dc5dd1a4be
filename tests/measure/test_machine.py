"""The machine and its state: complete, and nobody's secrets."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest

from tests.helpers.project import ROOT, child_environment
from tests.measure.test_darwin import Mac
from whisper_speedtest.measure import darwin, linux
from whisper_speedtest.measure import machine as machine_module
from whisper_speedtest.measure.machine import (
    Gpu,
    Machine,
    State,
    accelerator_memory,
    machine,
    state,
    suite_commit,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "pelican"
"""A user and a host of this name must turn up nowhere."""


class FakeHere:
    """A system that tells everything, each thing with a value of its own."""

    answers: ClassVar[dict[str, object]] = {
        "chip": "Chip 1",
        "model": "Model 2",
        "virtual": True,
        "system": "System 3",
        "cores": {"logical": 4},
        "gpus": [("GPU 5", "6.0", 7), ("GPU 8", "9.0", None)],
        "thermal": "nominal",
        "throttled": 10,
        "power_source": "battery",
        "low_power_mode": False,
        "governor": "schedutil",
        "frequency": 11.5,
    }

    def __getattr__(self, name: str) -> Callable[[], object]:
        return lambda: self.answers[name]


@pytest.fixture(name="told")
def _told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that tells everything."""
    from types import SimpleNamespace

    monkeypatch.setattr(machine_module, "here", FakeHere())
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=12, available=13))
    monkeypatch.setattr("psutil.swap_memory", lambda: SimpleNamespace(total=14, used=15, free=16))
    monkeypatch.setattr(os, "getloadavg", lambda: (17.5, 18.5, 19.5))
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr("whisper_speedtest.measure.machine.reference", lambda: 0.033)
    monkeypatch.setattr(machine_module, "suite_commit", lambda: "c0ffee")


@pytest.mark.usefixtures("told")
def test_machine_has_what_the_system_tells() -> None:
    """The machine has all that the system tells, each in its own field, with memory in bytes."""
    assert machine() == Machine(
        chip="Chip 1",
        model="Model 2",
        virtual=True,
        system="System 3",
        architecture="arm64",
        memory=12,
        cores={"logical": 4},
        gpus=(
            Gpu(name="GPU 5", driver="6.0", memory=7),
            Gpu(name="GPU 8", driver="9.0", memory=None),
        ),
        suite="c0ffee",
    )


@pytest.mark.usefixtures("told")
def test_memory_of_its_own_is_that_of_the_smallest_gpu() -> None:
    """The memory of an accelerator is that of the smallest GPU whose memory is known."""
    this = machine()
    small, large, silent = (Gpu(name="GPU", driver="1", memory=size) for size in (7, 9, None))

    def found(*gpus: Gpu) -> int | None:
        return accelerator_memory(msgspec.structs.replace(this, gpus=gpus))

    assert (found(large, small), found(silent, large)) == (7, 9)
    assert (found(), found(silent)) == (None, None)


@pytest.mark.usefixtures("told")
def test_state_has_what_the_system_tells() -> None:
    """The state has all that the system tells, with the swap in use and the load of one minute."""
    assert state(0.002, "mlx-whisper") == State(
        thermal="nominal",
        throttled=10,
        power_source="battery",
        low_power_mode=False,
        governor="schedutil",
        frequency=11.5,
        swap_used=15,
        load=17.5,
        reference=0.033,
        gpu_reference=0.002,
        gpu_reference_by="mlx-whisper",
    )
    assert (state().gpu_reference, state().gpu_reference_by) == (None, None)


def test_this_machine_is_known() -> None:
    """The machine that runs the tests has a system, an architecture, memory, cores and a state."""
    import psutil

    found, now = machine(), state()

    assert found.architecture == platform.machine()
    assert found.system.startswith(("Linux ", "macOS "))
    assert found.memory == psutil.virtual_memory().total
    assert found.cores
    assert all(count > 0 for count in found.cores.values()), f"cores: {found.cores}"
    assert now.load >= 0
    assert now.swap_used >= 0
    assert now.reference > 0
    assert msgspec.convert(msgspec.to_builtins(found), Machine) == found
    assert msgspec.convert(msgspec.to_builtins(now), State) == now


def test_neither_host_nor_user_nor_folder_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine and its state tell no name of host, user or folder."""
    import socket

    (tmp_path / NAME).mkdir()
    monkeypatch.chdir(tmp_path / NAME)
    for name in ("USER", "LOGNAME", "HOSTNAME", "HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / NAME) if name in {"HOME", "TMPDIR"} else NAME)
    for asked in ("socket.gethostname", "platform.node", "getpass.getuser"):
        monkeypatch.setattr(asked, lambda: NAME)

    written = (msgspec.json.encode(machine()) + msgspec.json.encode(state())).decode()

    assert (socket.gethostname(), platform.node(), getpass.getuser()) == (NAME, NAME, NAME)
    assert NAME not in written, f"the machine tells a name: {written}"
    assert str(ROOT) not in written, f"the machine tells its folder: {written}"
    assert str(Path.home()) not in written, f"the machine tells its user's folder: {written}"


def test_mac_tells_neither_host_nor_user_nor_serial_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is read on a Mac has no host, user or serial number, though the printed texts have."""
    mac = Mac()
    monkeypatch.setattr(darwin, "output_of", mac.answer)
    monkeypatch.setattr(machine_module, "here", darwin)
    private = (NAME, "19660899", "0x100000a5b", "/var/vm")
    printed = " ".join([*mac.answers.values(), *mac.sysctl.values()])
    assert all(text in printed for text in private), "the printed texts lack what is looked for"

    written = (msgspec.json.encode(machine()) + msgspec.json.encode(state())).decode()

    assert "Apple M4 Pro" in written
    assert [text for text in private if text in written] == []


def test_each_system_is_asked_for_the_same() -> None:
    """The same things can be asked of macOS and of Linux."""
    functions = [
        {
            name
            for name, value in vars(module).items()
            if callable(value) and value.__module__ == module.__name__ and not name.startswith("_")
        }
        for module in (darwin, linux)
    ]

    assert functions[0] == functions[1] == set(FakeHere.answers)


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "file").write_text("one\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message=Begin")
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the user's settings."""
    environment = child_environment(
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_CONFIG_SYSTEM=os.devnull,
        GIT_AUTHOR_NAME=NAME,
        GIT_AUTHOR_EMAIL=f"{NAME}@example.org",
        GIT_COMMITTER_NAME=NAME,
        GIT_COMMITTER_EMAIL=f"{NAME}@example.org",
    )
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def test_commit_is_that_of_the_checkout(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The suite's commit is that of its checkout, whatever working directory and GIT_DIR are."""
    commit = git(checkout, "rev-parse", "HEAD")
    git(checkout, "tag", "v1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))

    assert suite_commit(checkout) == commit
    assert len(commit) == 40


def test_changed_file_is_told_and_a_new_one_is_not(checkout: Path) -> None:
    """A changed file marks the suite's commit as dirty, and a new file does not."""
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "new").write_text("new\n")
    assert suite_commit(checkout) == commit

    (checkout / "file").write_text("two\n")
    assert suite_commit(checkout) == f"{commit}-dirty"

    git(checkout, "add", "file")
    assert suite_commit(checkout) == f"{commit}-dirty"


def test_looking_locks_nothing(checkout: Path) -> None:
    """Looking up the suite's commit does not write git's index, so that it takes no lock."""
    before = (checkout / ".git/index").read_bytes()
    os.utime(checkout / "file", (1, 1))  # what git would write into its index, under a lock

    assert suite_commit(checkout) == git(checkout, "rev-parse", "HEAD")

    assert (checkout / ".git/index").read_bytes() == before


def test_worktree_has_its_own_commit(checkout: Path, tmp_path: Path) -> None:
    """A worktree has its own commit, and not that of the checkout that it belongs to."""
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "worktree"))
    git(checkout, "commit", "--quiet", "--allow-empty", "--message=Go on")

    assert suite_commit(tmp_path / "worktree") == first
    assert suite_commit(checkout) != first


def test_folder_in_another_checkout_has_no_commit(checkout: Path) -> None:
    """A folder inside another checkout has no commit, and not that of the checkout around it."""
    (checkout / "copy").mkdir()

    assert suite_commit(checkout / "copy") is None


def test_checkout_without_git_or_commit_has_none(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A checkout without a commit, or on a machine without git, has no commit and no error."""
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    assert suite_commit(tmp_path / "empty") is None

    monkeypatch.setenv("PATH", str(tmp_path))
    assert suite_commit(checkout) is None


def test_suite_is_this_checkout() -> None:
    """The suite's commit is that of the checkout in which its code lies."""
    assert machine_module.ROOT == ROOT
    if (ROOT / ".git").exists() and shutil.which("git"):
        commit = git(ROOT, "rev-parse", "HEAD")
        assert suite_commit() in {commit, f"{commit}-dirty"}
