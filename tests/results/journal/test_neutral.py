"""Reasons that are kept and handed on name no person, machine, folder or secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.results import warm
from whisper_speedtest.measure.measures import Outcome
from whisper_speedtest.results.journal.neutral import Neutral

ENVIRONMENT = {
    "HF_TOKEN": "not-hf-0123",
    "HF_TOKEN_PATH": "/mnt/vault/hf",
    "MY_API_KEY": "swordfish",
    "DB_PASSWORD": "open sesame",
    "SHORT_SECRET": "five5",
    "LONGER_SECRET": "sixsix",
    "github_token": "lower-case-7",
    "HF_ENDPOINT": "https://hub.acme.example:8443/mirror",
    "https_proxy": "proxy.acme.example:3128",
    "ALL_PROXY": "gate.acme.example:1080",
    "LESS_ODD": "http://[bad",
    "PATH": "/usr/bin:/bin",
    "EDITOR": "plain",
}
NEUTRAL = Neutral.of(
    ENVIRONMENT,
    home=Path("/home/jane doe"),
    user="jane",
    host="janes-mac.acme.example",
    kept={
        Path("/home/jane doe/code/whisper-speedtest"): "<project>",
        Path("/home/jane doe/code/whisper-speedtest/.venv"): "<python>",
        Path("/mnt/models/hub"): "<hub cache>",
    },
    private=[Path("/mnt/Secret Clients/2026")],
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at /home/jane doe/code/whisper-speedtest/a/x.py:12", "at <project>/a/x.py:12"),
        ("in /home/jane doe/code/whisper-speedtest.", "in <project>."),
        ("'/home/jane doe/code/whisper-speedtest/a b/c' is", "'<project>/a b/c' is"),
        ("/home/jane doe/code/whisper-speedtest/.venv/lib/mlx.py: no", "<python>/lib/mlx.py: no"),
        ("/mnt/models/hub/models--o--n/blobs/1, or", "<hub cache>/models--o--n/blobs/1, or"),
        ("/mnt/models/hub-of-acme/x", "<path>"),
        ("/home/jane doe/Talks/memo.wav: no audio", "~/…: no audio"),
        ("no file '/home/jane doe/My Talks/a memo.wav'", "no file '~/…'"),
        ('no file "/home/jane doe"', 'no file "~/…"'),
        ("from /mnt/Secret Clients/2026/memo.wav; it", "from <path>; it"),
        ("(/opt/acme/x) and =/opt/acme/y, `/opt/acme/z`", "(<path>) and =<path>, `<path>`"),
        ("'/opt/acme corp/x y'", "'<path>'"),
        ("/opt/acme/x.", "<path>."),
        ("of /opt/acme:/opt/other", "of <path>"),
        ("error:/opt/acme", "error:<path>"),
        ("file:///opt/acme", "file://<path>"),
        ("g++ -I/opt/acme -L/home/jane doe/x -o x", "g++ -I<path> -L~/… -o x"),
        ("//opt/acme and '//home/jane doe/x' and //home/jane doe/x", "<path> and '~/…' and ~/…"),
        ("the toy's /opt/acme isn't there", "the toy's <path> isn't there"),
    ],
    ids=range(19),
)  # fmt: skip
def test_paths_keep_what_is_the_same_everywhere(text: str, expected: str) -> None:
    """In a reason, paths in known folders keep what is the same everywhere; private ones go."""
    assert NEUTRAL.text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/usr/lib/libcublas.so.12 and /proc/self/status",
        "'/dev/shm/x' and '/System/Library/y'",
        "and/or 3/4 of a / b, ./here, ../there, ~/there",
        "https://example.org/a/b",
    ],
)
def test_what_is_no_private_path_stays(text: str) -> None:
    """The system's own paths, relative paths and addresses stay in a reason.

    The first are everywhere, and the others name no folder.
    """
    assert NEUTRAL.text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("told not-hf-0123 to", "told <secret> to"),
        ("xswordfishx", "x<secret>x"),
        ("say open sesame now", "say <secret> now"),
        ("hf_AbCd1234 is no token", "<secret> is no token"),
        ("https://jane:pw@example.org/x", "https://<secret>@example.org/x"),
        ("five5 is too short for a secret", "five5 is too short for a secret"),
        ("sixsix is one", "<secret> is one"),
        ("told lower-case-7 to", "told <secret> to"),
        ("plain words stay plain", "plain words stay plain"),
    ],
)
def test_secrets_are_replaced_wherever_they_are(text: str, expected: str) -> None:
    """Secrets in a reason are replaced wherever they are.

    They are known by the name of their variable, by a token's form, and by their place in
    addresses.
    """
    assert NEUTRAL.text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jane is not janes and jane-x", "<user> is not janes and <user>-x"),
        ("janes-mac.acme.example, janes-mac", "<host>, <host>"),
        ("no answer from hub.acme.example:8443", "no answer from <host>:8443"),
        ("https://hub.acme.example:8443/api", "https://<host>:8443/api"),
        ("https://Hub.ACME.example:8443/api", "https://<host>:8443/api"),
        ("Jane's", "Jane's"),
        ("through proxy.acme.example", "through <host>"),
        ("through gate.acme.example", "through <host>"),
        ("huggingface.co and 127.0.0.1", "huggingface.co and 127.0.0.1"),
    ],
)
def test_users_and_hosts_are_replaced_as_whole_words(text: str, expected: str) -> None:
    """Names of the user and of private hosts are replaced as whole words, and public ones stay.

    Hosts are this machine's, and those of the addresses in its variables. A host is the same in
    capitals, as whoever sets a variable may write it; a user is not.
    """
    assert NEUTRAL.text(text) == expected


def test_word_that_is_no_name_stays() -> None:
    """`root`, `localhost` and an empty name are nobody's, so that no word is replaced for them.

    There may be no home.
    """
    nobody = Neutral.of({}, home=None, user="root", host="localhost", kept={})
    nameless = Neutral.of({}, home=Path("/"), user="", host="", kept={})

    for text in ("the root of localhost", "", "a plain text: 1 of 2", "a / b"):
        assert nobody.text(text) == nameless.text(text) == text
    assert nobody.text("at /srv/x") == nameless.text("at /srv/x") == "at <path>"


def test_secret_that_begins_with_another_is_replaced_whole() -> None:
    """A secret that begins with another one is replaced whole, whichever variable comes first."""
    told = {"A_TOKEN": "abc-123", "B_TOKEN": "abc-123-and-more", "C_TOKEN": "c-abc-123"}
    for environment in (told, dict(reversed(told.items()))):
        neutral = Neutral.of(environment, home=None, user="", host="", kept={})

        assert neutral.text("abc-123-and-more or c-abc-123") == "<secret> or <secret>"


def test_links_to_a_folder_are_known(tmp_path: Path) -> None:
    """A known folder is replaced by the path of a link to it as by its own.

    A system may name a folder by either of its paths: /tmp on a Mac is /private/tmp.
    """
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    neutral = Neutral.of({}, home=None, user="", host="", kept={tmp_path / "link": "<project>"})

    assert neutral.text(f"{tmp_path}/link/a and {tmp_path}/real/b") == "<project>/a and <project>/b"


def test_reason_and_cause_of_a_result_are_made_neutral() -> None:
    """The reason and the cause of a result are made neutral, and its transcript is not."""
    result = warm(outcome=Outcome.FAILED, reason="jane: /opt/a", cause="/opt/b", transcript="jane")

    assert NEUTRAL.result(result) == warm(
        outcome=Outcome.FAILED, reason="<user>: <path>", cause="<path>", transcript="jane"
    )


@pytest.mark.property
def test_no_text_around_a_name_lets_it_through() -> None:
    """The folders of a private path are replaced whatever text stands before and behind it."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    around = st.text("ab .,:;'\"()=\n", max_size=6)
    folder = st.sampled_from(["/home/jane doe/Zebra/x", "/mnt/Secret Clients/2026/Zebra", "/Zebra"])

    @settings(deadline=None)
    @given(around, folder, around)
    def hold(before: str, path: str, after: str) -> None:
        # A dot, or a letter, right before a slash is a relative path's.
        if not before.endswith((".", "a", "b")):
            assert "Zebra" not in NEUTRAL.text(f"{before}{path}{after}")

    hold()


@pytest.mark.property
def test_neutral_text_stays_as_it_is() -> None:
    """A text that was made neutral is not changed by being made neutral again."""
    from hypothesis import example, given, settings
    from hypothesis import strategies as st

    part = st.sampled_from(
        ["/home/jane doe", "/opt/x", "jane", "swordfish", "'", " ", "/", ":", "a", "hf_12345", "~"]
    )

    @settings(deadline=None)
    @given(st.lists(part, max_size=8).map("".join))
    @example("'/home/jane doe'/ '")
    def hold(text: str) -> None:
        once = NEUTRAL.text(text)
        assert NEUTRAL.text(once) == once

    hold()
