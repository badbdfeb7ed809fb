"""Units and crontab, read by systemd's own checker and by the rules of cron."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from places import BIN, ROOT

UNITS = ROOT / "infra" / "systemd"


@pytest.mark.parametrize("daily", [False, True])
def test_systemd_accepts_the_units(tmp_path: Path, daily: bool) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    for path in UNITS.glob("dataengine@.*"):
        # The command where it is here: systemd checks that it can be executed.
        (tmp_path / path.name).write_text(
            path.read_text().replace("/opt/dataengine/bin/dataengine", str(BIN / "dataengine"))
        )
    if daily:
        (tmp_path / "dataengine@.service.d").mkdir()
        shutil.copy(UNITS / "day.conf", tmp_path / "dataengine@.service.d")
    units = [str(tmp_path / name) for name in ("dataengine@photos.service", "dataengine@photos.timer")]
    for unit in units:
        Path(unit).symlink_to(Path(unit.replace("@photos", "@")).name)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_knows_when_the_timer_fires() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    [when] = [
        line[11:] for line in (UNITS / "dataengine@.timer").read_text().splitlines() if line.startswith("OnCalendar=")
    ]
    done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Next elapse" in done.stdout


def test_the_line_of_cron_is_a_command_of_the_shell(tmp_path: Path) -> None:
    """Five fields, a user, and what cron hands to sh: ``%`` is a line break unless it is escaped."""
    [line] = [s for s in (ROOT / "infra/cron/dataengine.cron").read_text().splitlines() if s[:1].isdigit()]
    fields = line.split(None, 6)
    assert len(fields) == 7 and fields[5] == "dataengine"
    command = fields[6].replace("\\%", "\0")
    assert "%" not in command
    command = (
        command.replace("\0", "%")
        .replace("/var/lib/dataengine", str(tmp_path))
        .replace("/var/log/dataengine", str(tmp_path))
    )
    (tmp_path / "retrying").write_text('#!/bin/sh\necho "$@"\nexit 4\n')
    (tmp_path / "retrying").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", command], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True
    )
    day = subprocess.run(
        ["date", "-u", "-d", "yesterday", "+%F"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert done.stdout.splitlines() == [
        f"partition {day}:",
        f"dataengine run /etc/dataengine/photos.yaml --partition {day}",
    ]
