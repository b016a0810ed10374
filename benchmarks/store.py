"""Results that survive an interruption: one JSON file for each finished piece of work, in .build/benchmarks/."""

import hashlib
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Store:
    """Remembers finished pieces of work; forgets them when the code that they measured has changed.

    name: whose pieces these are. programs: the scripts that computed them, whose text counts as code beside the
    library's. A piece is stored only when it is whole, so a run that was cut off goes on with the next one.
    """

    def __init__(self, name, *programs, folder=ROOT / ".build" / "benchmarks"):
        code = [*sorted((ROOT / "vae_course").rglob("*.py")), *map(Path, programs)]
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in code)).hexdigest()[:12]
        self.folder = Path(folder) / f"{name}-{digest}"

    def _file(self, key):
        return self.folder / (re.sub(r"[^\w.=-]+", "_", key) + ".json")

    def __contains__(self, key):
        return self._file(key).exists()

    def __getitem__(self, key):
        return json.loads(self._file(key).read_text())

    def __setitem__(self, key, result):
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._file(key).with_suffix(".tmp")
        part.write_text(json.dumps(result))
        part.replace(self._file(key))  # whole or not at all
