"""Rewrites the locks beside this file from pyproject.toml; `tox -e lock` runs it.

Whatever may share an environment is resolved at once, so that no lock contradicts another. The lock
of an extra holds only what it adds to tests.txt. Arguments go to uv, such as --upgrade.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PYPROJECT = FOLDER.parent / "pyproject.toml"
EXTRAS = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
TESTS = ["pyproject.toml", "--group=tests"]
SDIST_ONLY = "openai-whisper"  # pure Python, and its authors publish no wheel


def compile_lock(output: Path, *arguments: str) -> list[str]:
    """Let uv resolve what `arguments` name; return the lock's entries, its header first.

    Versions that `output` holds already are kept where they fit.
    """
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", *sys.argv[1:]]
    subprocess.run([*uv, f"--output-file={output}", *arguments], cwd=FOLDER.parent, check=True)
    return re.split(r"^(?=\w)", output.read_text(), flags=re.MULTILINE)


def main() -> None:
    """Write a lock for the tests, for each other group, and for each extra."""
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder, "everything.txt")
        everything.write_text("".join(lock.read_text() for lock in FOLDER.glob("*.txt")))
        _, *entries = compile_lock(everything, *TESTS, "--all-extras", f"--no-binary={SDIST_ONLY}")
        # Without the options in its header, which uv would take over from a constraint.
        everything.write_text("".join(entries))

        same = f"--constraint={everything}"
        header, *tests = compile_lock(FOLDER / "tests.txt", same, *TESTS)
        for group in ("browser", "lint", "mutants", "typing", "tox"):
            compile_lock(FOLDER / f"{group}.txt", same, f"--group={group}")
        for extra in EXTRAS:
            # pip obeys the last such line, so the exception stands below the rule.
            exception = f"--no-binary {SDIST_ONLY}\n" if extra == SDIST_ONLY else ""
            arguments = [f"--no-binary={SDIST_ONLY}"] if exception else []
            _, *entries = compile_lock(
                Path(folder, f"{extra}.txt"), same, *TESTS, f"--extra={extra}", *arguments
            )
            added = "".join(entry for entry in entries if entry not in tests)
            (FOLDER / f"{extra}.txt").write_text(f"{header.rstrip()}\n{exception}\n{added}")


if __name__ == "__main__":
    main()
