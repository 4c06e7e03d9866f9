"""An ended or interrupted rehearsal leaves nothing behind, and prints the reason."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.rehearsal.command import EXAMPLE, SPEED


@pytest.fixture(autouse=True)
def signals_are_heeded() -> Iterator[None]:
    """Undo ignored signals (nohup, a background job), which a rehearsal would inherit."""
    inherited = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in inherited.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def rehearsal(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal whose operator has begun the cut-over, with `folder` as its temporary directory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dualstack", "rehearse", str(EXAMPLE), "--output", "json", "--speed", SPEED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        assert any("stop-cloud-controller-manager" in line for line in process.stderr)
        yield process
    finally:
        for pid in [*children(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def children(pid: int) -> dict[int, str]:
    """The child processes of `pid` with their command lines."""
    table = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid and len(row) > 2}


def test_r1_long_command_lines_are_read_whole(tmp_path: Path) -> None:
    """Given a path longer than a terminal is wide, when processes are listed, then their arguments are complete."""
    folder = tmp_path / ("a" * 200)
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()", str(folder), "the end"], stdin=subprocess.PIPE) as child:
        assert children(os.getpid())[child.pid].endswith("the end")
        child.communicate(b"\n")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    with rehearsal(tmp_path) as process:
        started = children(process.pid)
        assert len(started) == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, json.loads(out)["result"]) == (130, "interrupted")
        assert "Traceback" not in err
        assert not [pid for pid in started if is_there(pid)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_p11_without_a_reader_of_the_progress_it_goes_on(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as process:
        assert process.stderr is not None
        process.stderr.close()
        out = process.stdout.read() if process.stdout else ""
        assert process.wait(timeout=30) == 0
        assert json.loads(out)["result"] == "succeeded"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_p11_a_result_that_cannot_be_printed_is_one_line_and_status_3(tmp_path: Path) -> None:
    command = f"{sys.executable} -m dualstack rehearse {EXAMPLE} --nodes 1 --speed {SPEED} >/dev/full"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "dualstack: standard output cannot be written: No space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_interrupts_at_once_stop_everything_too(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as process:
        started = children(process.pid)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        deadline = time.monotonic() + 10
        while any(is_there(pid) for pid in started) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [pid for pid in started if is_there(pid)]


@pytest.mark.slow
def test_after_a_kill_no_process_remains(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as process:
        started = children(process.pid)
        process.kill()
        deadline = time.monotonic() + 20
        while any(is_there(pid) for pid in started) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [pid for pid in started if is_there(pid)]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("dualstack-sim-")] == []


@pytest.mark.slow
def test_r10_the_end_of_the_simulated_world_is_reported(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as process:
        started = children(process.pid)
        world = next(pid for pid, arguments in started.items() if "sim serve" in arguments)
        os.kill(world, signal.SIGKILL)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, json.loads(out)["result"]) == (1, "failed")
        assert "the simulated world ended with status -9" in json.loads(out)["reason"]
        assert "the simulated world ended with status -9" in err
        assert str(tmp_path) in err
        assert not [pid for pid in started if is_there(pid)]
