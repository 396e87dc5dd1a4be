"""Whatever the environment and the options are, a session ends in order and measures what it can.

The variables are those of proxies, certificates, tokens, endpoints, caches, homes and terminals,
each with values that somebody has set by mistake.
"""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.helpers.project import child_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.sessions import Sessions

EMBEDDED = {"toy": "good", "lightning-whisper-mlx": "fp16"}
"""Library → variant of micro that a session measures."""

CHOSEN = (*["toy"] * 5, "lightning-whisper-mlx")
"""The real library takes ten times as long as the toy: in one session of six it is measured too."""

HOSTED = "lightning-whisper-mlx-tiny-4bit-short"
"""A model that is on no disk and cannot be fetched."""

PROXIES = (
    "socks5://127.0.0.1:9", "http://127.0.0.1:9", "http://[::1", "::", "ftp://x",
    "http://a:p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss@127.0.0.1:9", "127.0.0.1:99999",
)  # fmt: skip
FILES = ("/nonexistent/file", "/dev/null", "{folder}", "{folder}/binary", "")
FOLDERS = ("/nonexistent/folder", "/dev/null/folder", "relative", "~", "{folder}/binary", "")
VARIABLES: dict[str, tuple[str, ...]] = {
    "ALL_PROXY": PROXIES,
    "HTTPS_PROXY": PROXIES,
    "http_proxy": PROXIES,
    "NO_PROXY": ("*", "[", "localhost,,"),
    "SSL_CERT_FILE": FILES,
    "SSL_CERT_DIR": FILES,
    "REQUESTS_CA_BUNDLE": FILES,
    "HF_TOKEN": ("hf_" + "no" * 17, "\N{LEFT DOUBLE QUOTATION MARK}hf_x", "a\nb", " ", "\udcff"),
    "HF_TOKEN_PATH": FILES,
    "HF_ENDPOINT": (
        "hub.example",
        "http://",
        "ftp://127.0.0.1",
        "http://[bad",
        "https://x:99999",
        "http://[::1]:9/a/path/",
        "http://a:geheim@127.0.0.1:9",
        "http://127.0.0.1:9//?a#b",
        "\udcff",
    ),
    "HF_HOME": FOLDERS,
    "HF_HUB_CACHE": FOLDERS,
    "XDG_CACHE_HOME": FOLDERS,
    "HOME": FOLDERS,
    "TMPDIR": FOLDERS,
    "HF_HUB_OFFLINE": ("1", "0", "maybe", ""),
    "HF_HUB_DOWNLOAD_TIMEOUT": ("abc", "-1", "0", ""),
    "HF_HUB_ETAG_TIMEOUT": ("abc", "-1", "1e3"),
    "HF_HUB_DISABLE_SYMLINKS": ("1", "maybe"),
    "LC_ALL": ("C", "nowhere.UTF-8"),
    "PYTHONIOENCODING": ("ascii", "latin-1"),
    "PYTHONWARNINGS": ("error", "nonsense"),
    "PYTHONSAFEPATH": ("1",),
    "PYTHONUTF8": ("0",),
    "PYTEST_TIMEOUT": ("0", "300"),
    "FORCE_COLOR": ("1", ""),
    "NO_COLOR": ("1",),
    "TZ": ("nonsense",),
    "COLUMNS": ("0", "-1", "abc", "37"),
    "TERM": ("dumb", "nonsense", ""),
    "OMP_NUM_THREADS": ("abc", "0"),
}
RIGHT = (
    "--offline", "--max-download=0", "--max-download=1.5GiB", "-n0", "-q", "-v", "--color=yes",
    "--benchmark-only", "-pno:cacheprovider", "--benchmark-disable-gc",
)  # fmt: skip
ABOUT_MODELS = ("--prefetch-only", "--check-models", "--check-models=json")
WRONG = (
    "--max-download=much", "--device=tpu", "--check-models=all", "--audio={folder}/none.wav",
    "--audio=", "--resume=", "--calls=0", "--timeout=inf",
)  # fmt: skip


@pytest.mark.property
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_session_ends_in_order_whatever_surrounds_it(sessions: Sessions, tmp_path: Path) -> None:
    """A session ends in order in any environment, and measures or checks micro in it.

    It has status 4 for a wrong option alone. A model that cannot be had fails a session that is
    about models, and no other.
    """
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    surroundings = st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in VARIABLES.items()}
    )
    options = st.tuples(
        st.lists(st.sampled_from(RIGHT), unique=True, max_size=3),
        st.sampled_from((None, None, None, *ABOUT_MODELS, "--collect-only", *WRONG)),
    )

    @settings(
        max_examples=10,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(
        variables=surroundings,
        chosen=options,
        hosted=st.booleans(),
        library=st.sampled_from(CHOSEN),
    )
    def check(
        variables: dict[str, str],
        chosen: tuple[list[str], str | None],
        hosted: bool,
        library: str,
    ) -> None:
        right, other = chosen
        arguments = [option.format(folder=tmp_path) for option in (*right, other) if option]
        measured = {"toy": EMBEDDED["toy"], library: EMBEDDED[library]}
        keys = [f"{name}-micro-{variant}-short" for name, variant in measured.items()]
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "benchmarks/test_transcribe.py", "--device=cpu"),
                *("--processes=1", "--calls=1", "--max-others=inf"),
                *("-k", " or ".join([*keys, HOSTED] if hosted else keys), *arguments),
                f"--basetemp={tmp_path}/run",
            ],
            cwd=sessions.tree,
            env=child_environment(
                **{"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": f"{tmp_path}/home"}
                | {name: value.format(folder=tmp_path) for name, value in variables.items()}
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        output = ended.stdout.decode(errors="replace")
        told = f"{variables} {arguments}, {hosted=}: status {ended.returncode}\n{output}"

        expected = 4 if other in WRONG else int(hosted and other in ABOUT_MODELS)
        assert ended.returncode == expected, told
        assert "geheim" not in output, told
        assert "INTERNALERROR" not in output, told
        assert "Traceback" not in output, told
        if other is None:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
            for name, variant in measured.items():
                # Names fold in a narrow terminal.
                row = rf"^ ?{name} +((micro +)?{variant} |.*\n +{variant}$)"
                assert re.search(row, plain, re.MULTILINE), told

    check()
