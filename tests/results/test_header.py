"""What stands above the closing table: the machine, the versions, the suite; nobody's name."""

from __future__ import annotations

import msgspec

from tests.helpers.results import MACHINE, PROVENANCE, measured
from whisper_speedtest.measure.machine import Gpu
from whisper_speedtest.results.header import described, header
from whisper_speedtest.results.note import printed

replace = msgspec.structs.replace


def test_header_says_where_and_with_what_it_was_measured() -> None:
    """Above the closing table stand the machine, the libraries' versions and the suite's commit.

    Of the machine it tells chip, model, cores, memory and system.
    """
    other = replace(PROVENANCE, versions={"faster-whisper": "1.2.1", "mlx": "0.32.4"})

    assert printed(header([measured("a b"), measured("c d", provenance=other)])) == [
        (
            "machine:  Apple M4 Pro (Mac16,8), cores: 10 performance, 4 efficiency, 20 gpu, "
            "24 GiB, macOS 15.5"
        ),
        "versions: faster-whisper 1.2.1, lightning-whisper-mlx 0.0.10, mlx 0.32.4",
        "suite:    whisper-speedtest 343434343434",
    ]


def test_what_differs_among_the_results_is_named_in_full() -> None:
    """Above the closing table stands each machine, version and commit among the results."""
    newer = replace(PROVENANCE, versions={"mlx": "0.33.0"})
    changed = replace(MACHINE, suite="5" * 40 + "-dirty")
    smaller = replace(MACHINE, chip="Apple M1", suite=None)
    results = [
        measured("a b"),
        measured("a b", provenance=newer, machine=changed),
        measured("a b", machine=smaller),
    ]

    machine, second, versions, suite = printed(header(results))

    assert machine.startswith("machine:  Apple M4 Pro")
    assert second.startswith("machine:  Apple M1")
    assert versions == "versions: lightning-whisper-mlx 0.0.10, mlx 0.32.4 and 0.33.0"
    assert suite == "suite:    whisper-speedtest 343434343434 and 555555555555 (changed)"


def test_nothing_is_said_of_what_is_not_known() -> None:
    """Above the closing table nothing is said of machines and versions that no result knows."""
    assert header([measured("a b", machine=None, provenance=None)]) == []
    assert header([]) == []


def test_machine_that_tells_little_is_described_by_what_it_tells() -> None:
    """A machine without a known chip is described by what it tells, GPUs of one kind by count."""
    gpu = Gpu(name="NVIDIA H100", driver="570", memory=80 * 2**30)
    bare = replace(
        MACHINE, chip=None, model=None, virtual=True, cores={}, memory=8 * 2**30, gpus=(gpu, gpu)
    )

    assert described(bare) == (
        "unknown arm64 chip, a virtual machine, cores: unknown, 2 × NVIDIA H100, 8 GiB, macOS 15.5"
    )
    assert ", NVIDIA H100, 24 GiB" in described(replace(MACHINE, gpus=(gpu,)))


def test_cores_are_told_in_one_order_however_a_result_was_read() -> None:
    """Kinds of cores are told in one order, whatever theirs in the result, unknown ones first."""
    cores = {"gpu": 20, "efficiency": 4, "performance": 10, "usable": 3, "logical": 2, "super": 6}
    machine = msgspec.structs.replace(MACHINE, cores=cores)

    told = "cores: 6 super, 10 performance, 4 efficiency, 2 logical, 3 usable, 20 gpu, "
    assert told in described(machine)
