"""Run chapters on other data, by changing their one constant, and write nothing.

    python sources/try_data.py mnist          every chapter that has such a constant
    python sources/try_data.py mnist 01 03    only chapters whose names start so

Every check cell must hold there too. VAE_COURSE_DATA says where the files of the full-size sets are.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import build


def on(nb, dataset):
    """The notebook with DATASET changed; ValueError if that constant is not set exactly once."""
    count = 0
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source, changed = re.subn(r'(?m)^DATASET = "\w+"', f'DATASET = "{dataset}"', cell.source)
            count += changed
    if count != 1:
        raise ValueError(f"a chapter sets DATASET once. Received: {count} times")
    return nb


def main(dataset, *names):
    failed = 0
    for target in build.targets(build.ROOT, names):
        if target.exercise:
            continue
        if not names and not re.search('(?m)^DATASET = "', target.source.read_text()):
            print(f"{target.source.stem}: left out, it has no DATASET", flush=True)
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                nb = on(build.read_source(target.source), dataset)
                build.execute(nb, Path(folder) / target.notebook.name)
                verdict = "every check holds"
            except Exception as error:
                failed += 1
                verdict = f"FAILED. {error}"
        print(f"{target.source.stem} on {dataset}, {time.monotonic() - start:.0f} s: {verdict}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
