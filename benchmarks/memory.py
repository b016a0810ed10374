"""How much memory this process takes, in bytes."""

import resource
import sys
from pathlib import Path


def peak():
    """The most that it ever held: on Linux VmHWM, for `ru_maxrss` begins with what the process that started this one
    had held."""
    return said_by_linux("status", "VmHWM:") or (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    )


def own():
    """What no other process could share, since this one has written it; None where Linux does not say."""
    return said_by_linux("smaps_rollup", "Private_Dirty:")


def said_by_linux(file, name):
    place = Path("/proc/self") / file
    if not place.exists():
        return None
    lines = (line.split() for line in place.read_text().splitlines())
    return next((1024 * int(words[1]) for words in lines if words[:1] == [name]), None)
