"""What a graded cell runs before its hidden tests: are the tests themselves untouched?

This stops the easy ways around a test (a replaced `np.allclose`, asserts taken out by a transformer). It is
not a sandbox: `nbgrader autograde` runs what a learner wrote, with the rights of whoever grades. `make grade` does not.
"""

import builtins
import sys
import types
from pathlib import Path

import numpy as np

BUILTINS = ("abs", "all", "any", "float", "int", "isinstance", "len", "max", "min", "round", "sorted", "sum")
NUMPY = ("all", "allclose", "any", "array_equal", "isclose")
NUMPY_TESTING = ("assert_allclose", "assert_array_almost_equal", "assert_array_equal")


def guard() -> None:
    """Return None if asserts, builtins and numpy's comparisons are the real ones; raise RuntimeError if not.

    build.py puts a call at the top of the hidden tests of every graded cell, so that authors need not.
    """
    for problem in _problems():
        # Not an assert: a guard made of asserts would fall with them.
        raise RuntimeError(f"the tests cannot be trusted, so this cell earns no points: {problem}")


def _problems():
    if not __debug__:
        yield "assert statements are switched off"
    for name in BUILTINS:
        if getattr(builtins, name).__class__ not in (types.BuiltinFunctionType, type):
            yield f"{name}() was replaced"
    for name in NUMPY:
        if not _is_numpy(getattr(np, name), name):
            yield f"np.{name} was replaced"
    for name in NUMPY_TESTING:
        if not _is_numpy(getattr(np.testing, name), name):
            yield f"np.testing.{name} was replaced"
    # The code inside may have been exchanged: a comparison must still tell 0 from 1.
    for compare in (np.allclose, np.isclose, np.array_equal):
        if np.all(compare([0.0], [1.0])) or not np.all(compare([2.0], [2.0])):
            yield f"np.{compare.__name__} does not compare"
    for compare in (getattr(np.testing, name) for name in NUMPY_TESTING):
        try:
            compare([0.0], [1.0])
        except AssertionError:
            continue
        yield f"np.testing.{compare.__name__} does not compare"
    yield from _shell_problems()


def _is_numpy(function, name):
    """Whether a function was defined in numpy's own files, under its own name."""
    code = getattr(getattr(function, "_implementation", function), "__code__", None)
    home = str(Path(np.__file__).parent)
    return function.__name__ == name and code is not None and code.co_filename.startswith(home)


def _shell_problems():
    """What only a notebook has: transformers of its code, and builtins hidden by names of other cells."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if not shell:
        return
    if shell.ast_transformers or shell.input_transformers_post:
        yield "a transformer changes the code of cells"
    for name in BUILTINS:
        shadow = shell.user_ns.get(name)
        if callable(shadow) and shadow is not getattr(builtins, name):
            yield f"{name}() was replaced"
    if shell.user_ns.get("np", np) is not np:
        yield "np is not numpy"
