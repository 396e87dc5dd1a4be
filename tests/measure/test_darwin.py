"""What is read from the answers of macOS's programs: texts of the form that they print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whisper_speedtest.measure import darwin

if TYPE_CHECKING:
    from collections.abc import Callable

SYSCTL = {
    "machdep.cpu.brand_string": "Apple M4 Pro",
    "hw.model": "Mac16,8",
    "kern.hv_vmm_present": "0",
    "kern.osproductversion": "15.5",
    "kern.hostname": "pelican.local",
    "hw.perflevel0.name": "Performance",
    "hw.perflevel0.physicalcpu": "10",
    "hw.perflevel0.logicalcpu": "11",
    "hw.perflevel1.name": "Efficiency",
    "hw.perflevel1.physicalcpu": "4",
}

IOREG = """+-o AGXAcceleratorG16X  <class AGXAcceleratorG16X, id 0x100000a5b, registered, matched>
    {
      "IOClass" = "AGXAcceleratorG16X"
      "model" = "Apple M4 Pro"
      "gpu-core-count" = 20
      "SCHEDULER-COUNT" = 1
    }
"""

BATTERY = """Now drawing from 'Battery Power'
 -InternalBattery-0 (id=19660899)\t81%; discharging; 5:02 remaining present: true
"""

SETTINGS = """System-wide power settings:
 DestroyFVKeyOnStandby\t\t1
Currently in use:
 standby              1
 lowpowermode         {}
 hibernatefile        /var/vm/sleepimage
 powermode            0
 displaysleep         10 (display sleep prevented by pelican)
"""


class Mac:
    """What a Mac's programs print."""

    def __init__(self) -> None:
        self.sysctl = SYSCTL.copy()
        self.answers = {
            "/usr/sbin/ioreg -r -d 1 -c AGXAccelerator": IOREG,
            "/usr/bin/pmset -g batt": BATTERY,
            "/usr/bin/pmset -g": SETTINGS.format(0),
            "/usr/bin/notifyutil -g com.apple.system.thermalpressurelevel": (
                "com.apple.system.thermalpressurelevel 0\n"
            ),
        }

    def answer(self, *command: str) -> str:
        """Return what a program prints; "" where it knows nothing, or is missing."""
        if command[:2] == ("/usr/sbin/sysctl", "-n"):
            (name,) = command[2:]
            return f"{self.sysctl[name]}\n" if name in self.sysctl else ""
        return self.answers.get(" ".join(command), "")


@pytest.fixture(name="mac")
def _mac(monkeypatch: pytest.MonkeyPatch) -> Mac:
    """A MacBook Pro on battery."""
    mac = Mac()
    monkeypatch.setattr(darwin, "output_of", mac.answer)
    return mac


@pytest.fixture(name="silent")
def _silent(mac: Mac) -> Mac:
    """A Mac that tells nothing."""
    mac.sysctl.clear()
    mac.answers.clear()
    return mac


@pytest.mark.usefixtures("mac")
def test_what_a_mac_is() -> None:
    """A Mac is described by its chip, model, macOS version, and whether it is virtual."""
    assert darwin.chip() == "Apple M4 Pro"
    assert darwin.model() == "Mac16,8"
    assert darwin.system() == "macOS 15.5"
    assert darwin.virtual() is False


def test_virtual_mac(mac: Mac) -> None:
    """A virtual Mac is recognised as one, and its cores are of one kind."""
    mac.sysctl = {
        "kern.hv_vmm_present": "1",
        "hw.perflevel0.name": "Standard",
        "hw.perflevel0.physicalcpu": "3",
    }
    mac.answers.clear()

    assert darwin.virtual() is True
    assert darwin.cores() == {"standard": 3}


@pytest.mark.usefixtures("mac")
def test_cores_go_by_apple_s_words_for_them() -> None:
    """Physical cores are counted by Apple's word for each kind, and so are the cores of the GPU."""
    assert darwin.cores() == {"performance": 10, "efficiency": 4, "gpu": 20}
    assert darwin.gpus() == []


def test_cores_of_other_kinds(mac: Mac) -> None:
    """Cores of any kind are counted under the name of the kind, unless their number is missing."""
    mac.sysctl.update({"hw.perflevel0.name": "Super", "hw.perflevel1.name": "Performance"})
    mac.answers.clear()
    assert darwin.cores() == {"super": 10, "performance": 4}

    mac.sysctl.update({"hw.perflevel2.name": "Efficiency", "hw.perflevel2.physicalcpu": "1"})
    del mac.sysctl["hw.perflevel1.physicalcpu"]
    assert darwin.cores() == {"super": 10, "efficiency": 1}


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (0, "nominal"),
        (1, "moderate"),
        (2, "heavy"),
        (3, "trapping"),
        (4, "sleeping"),
        (5, "level 5"),
    ],
)
def test_thermal_pressure(mac: Mac, level: int, word: str) -> None:
    """A known level of thermal pressure is shown by a word, and an unknown one by its number."""
    name = "com.apple.system.thermalpressurelevel"
    mac.answers[f"/usr/bin/notifyutil -g {name}"] = f"{name} {level}\n"

    assert darwin.thermal() == word


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (BATTERY, "battery"),
        ("Now drawing from 'AC Power'\n", "mains"),
        ("Now drawing from 'UPS Power'\n", "ups"),
        ("Now drawing from 'Solar Power'\n", None),
    ],
    ids=["battery", "mains", "ups", "unheard-of"],
)
def test_power_source(mac: Mac, text: str, source: str | None) -> None:
    """The power source is the one that the first line of `pmset` names, if it is a known one."""
    mac.answers["/usr/bin/pmset -g batt"] = text

    assert darwin.power_source() == source


@pytest.mark.parametrize(("value", "low"), [(0, False), (1, True), (2, False)])
def test_low_power_mode_of_a_mac_that_has_a_high_one(mac: Mac, value: int, low: bool) -> None:
    """Of the values of `powermode`, 1 alone is the low-power mode."""
    mac.answers["/usr/bin/pmset -g"] = f"Currently in use:\n standby 1\n powermode  {value}\n"

    assert darwin.low_power_mode() is low


@pytest.mark.parametrize(("value", "low"), [(0, False), (1, True)])
def test_low_power_mode(mac: Mac, value: int, low: bool) -> None:
    """Where there is a setting `lowpowermode`, it counts and not the `powermode` beside it."""
    mac.answers["/usr/bin/pmset -g"] = SETTINGS.format(value)

    assert darwin.low_power_mode() is low


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(
    "ask",
    [
        darwin.chip,
        darwin.model,
        darwin.virtual,
        darwin.thermal,
        darwin.throttled,
        darwin.power_source,
        darwin.low_power_mode,
        darwin.governor,
        darwin.frequency,
    ],
)
def test_mac_that_does_not_tell(ask: Callable[[], object]) -> None:
    """What a Mac does not tell is None, and no error."""
    assert ask() is None


@pytest.mark.usefixtures("silent")
def test_mac_that_does_not_tell_its_version_or_cores() -> None:
    """A Mac that tells neither its version nor its cores is `macOS (unknown)`, without any core."""
    assert darwin.system() == "macOS (unknown)"
    assert darwin.cores() == {}
