"""Results that survive an interruption: one JSON file for each finished piece of work, in .build/benchmarks/."""

import ast
import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent


class Bare(ast.NodeTransformer):
    """Code without what no result depends on: docstrings, annotations of functions, imports."""

    def visit_Import(self, node):
        return None

    visit_ImportFrom = visit_Import

    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_Module(self, node):
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)

    visit_ClassDef = visit_Module

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.visit_Module(node)


def bare(source):
    """The text of a program as it counts: a comment or a docstring may change, and results stand."""
    return ast.unparse(Bare().visit(ast.parse(source)))


def library_code():
    return [bare(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "vae_course").rglob("*.py"))]


def code_of(function, seen=None):
    """The bare text of a function and of whatever else of the benchmarks it names, through its names' names."""
    seen = {} if seen is None else seen
    module = sys.modules[function.__module__]
    nodes = {}
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        nodes |= {name: node for name in [*names, getattr(node, "name", None)] if name}

    def follow(name):
        if (module.__name__, name) in seen:
            return
        value = getattr(module, name, None)
        home = sys.modules.get(getattr(value, "__module__", None))
        if name in nodes:
            node = nodes[name]
            seen[module.__name__, name] = bare(ast.unparse(node))
            own = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
            own |= {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
            own -= {name}  # what is left are locals, which are no other function, whatever they are called
            for part in ast.walk(node):
                if isinstance(part, ast.Name) and part.id not in own:
                    follow(part.id)
        elif callable(value) and home and Path(getattr(home, "__file__", None) or "/").parent == HERE:
            code_of(value, seen)

    follow(function.__name__)
    return [f"{place}: {text}" for place, text in sorted(seen.items())]


class Store:
    """Remembers finished pieces of work; forgets them when the code that they measured has changed.

    name: whose pieces these are. programs: the scripts that computed them, as paths, or as texts (for one row of
    several, `code_of` its function), which count as code beside the library's. A piece is stored only when it is whole,
    so a run that was cut off goes on with the next one.
    """

    def __init__(self, name, *programs, folder=ROOT / ".build" / "benchmarks"):
        texts = [bare(program.read_text()) if isinstance(program, Path) else program for program in programs]
        digest = hashlib.sha256("\0".join([*library_code(), *texts]).encode()).hexdigest()[:12]
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
