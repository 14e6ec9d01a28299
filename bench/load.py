"""Asks a server for the same thing many times, and sees what that costs it."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

TICK = os.sysconf("SC_CLK_TCK")
SCRIPT = """
local paths = { %s }
local i = 0
request = function()
  i = i %% #paths + 1
  return wrk.format("GET", paths[i])
end
"""


@dataclasses.dataclass
class Round:
    rate: float  # answers a second
    cpu: float  # CPU milliseconds of the server for each answer
    p99: float  # milliseconds
    bad: int  # errors and answers that are neither 2xx nor 3xx


def read(path):
    """A file of /proc, empty where the process or thread is gone by now."""
    try:
        return pathlib.Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def processes(pid):
    """A process and all that it started."""
    found = [pid]
    for task in list(pathlib.Path(f"/proc/{pid}/task").iterdir()):
        for child in read(task / "children").split():
            found += processes(int(child))
    return found


def cpu_seconds(pid):
    """CPU time that a process and its children have used so far."""
    total = 0
    for one in processes(pid):
        fields = read(f"/proc/{one}/stat").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total / TICK


def memory(pid, field="VmHWM"):
    """Bytes of memory of a process and its children; VmHWM is the peak."""
    total = 0
    for one in processes(pid):
        found = re.search(rf"{field}:\s+(\d+)", read(f"/proc/{one}/status"))
        total += int(found[1]) * 1024 if found else 0
    return total


def drive(server, paths, headers, *, seconds, connections, out):
    """One round of wrk over the given paths, one after the other."""
    wrk = shutil.which("wrk")
    if not wrk:
        raise RuntimeError("wrk is missing: run tools/setup system")
    script = out / "wrk.lua"
    script.write_text(SCRIPT % ", ".join(f'"{path}"' for path in paths))
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", script]
    for key, value in headers.items():
        command += ["-H", f"{key}: {value}"]
    before = cpu_seconds(server.process.pid)
    text = subprocess.run([*map(str, command), server.url], capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(server.process.pid) - before
    answered = int(re.search(r"(\d+) requests in", text)[1])
    bad = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", text)))
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    bad += sum(map(int, errors.groups())) if errors else 0
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    return Round(
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
        cpu=spent / max(answered, 1) * 1000,
        p99=float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]],
        bad=bad,
    )
