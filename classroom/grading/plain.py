"""Answers seen from outside: plain data come out of the box as they are, anything else as a stand-in.

What a learner's function returns is rebuilt from JSON and raw bytes, never unpickled, so numbers, arrays and tensors
that a check compares are plain, whatever the learner made of them. A model or a function stays in the box; its stand-in
can be called and looked into, not compared. Arguments of a check go in by value; its functions are called back.
"""

import base64
import builtins
import json
import marshal
import pickle
import sys

import numpy as np

BYTES = 300_000_000  # of an answer


class Stopped(BaseException):
    """A check could not run to its end. No `except Exception` of a check catches it."""


class AnswerError(Exception):
    """What the learner's code raised. `told` is the traceback in the box."""

    told = ""


def error_like(kinds, message):
    """An AnswerError that `except ValueError` catches too, if that is what was raised."""
    for name in kinds:
        known = getattr(builtins, str(name), None)
        if isinstance(known, type) and issubclass(known, Exception):
            try:
                return type(name, (AnswerError, known), {})(message)
            except TypeError:  # a kind that cannot be made of a message alone
                break
    return AnswerError(message)


class Far:
    """Something that stays in the box."""

    def __init__(self, link, number, kinds):
        self.__dict__.update(_link=link, _number=number, _kinds=kinds, _start=link.box.starts)

    @property
    def __class__(self):  # what isinstance asks; a kind that is not imported out here is skipped
        for kind in self._kinds:
            module, _, name = kind.partition(":")
            found = sys.modules.get(module)
            for part in name.split("."):
                found = getattr(found, part, None)
            if isinstance(found, type) and found is not object:
                return found
        return Far

    def __call__(self, *arguments, **keywords):
        a, k = self._link.encode(arguments), self._link.encode(keywords)
        value = self._link.ask(self, do="call", a=a, k=k)
        self._link.absorb(arguments)
        return value

    def __getattr__(self, name):
        if name.startswith("__") or name.startswith("_keras"):  # asked by numpy, copy and the like
            raise AttributeError(name)
        return self._link.ask(self, do="attribute", name=name)

    def __setattr__(self, name, value):
        self._link.ask(self, do="set", name=name, v=self._link.encode(value))

    def __getitem__(self, place):
        return self._link.ask(self, do="item", v=self._link.encode(place))

    def __len__(self):
        return int(self._link.ask(self, do="length"))

    def __bool__(self):
        return True

    def __iter__(self):
        return iter(self._link.ask(self, do="all"))

    def __repr__(self):
        return f"<{self._kinds[0].partition(':')[2] if self._kinds else 'object'} of the submission>"


class Link:
    """Asks a box for answers, for at most `seconds` of its CPU time in each check."""

    def __init__(self, box, seconds):
        self.box, self.seconds, self.end = box, seconds, seconds
        self.functions, self.names, self.strikes, self.outputs, self.changed = [], {}, {}, [], {}

    def begin(self):
        """A new check: its time begins, and what the box prints is collected."""
        self.end, self.outputs = self.box.used + self.seconds, []

    def name(self, name):
        """The value that a name has in the box."""
        value = self.ask(None, do="name", name=name)
        if isinstance(value, Far):
            self.names[value._start, value._number] = name
        return value

    def define(self, name, source):
        """Put a function of the check into the box, to run beside the answers, and return its stand-in."""
        self.ask(None, do="define", source=source)
        return self.name(name)

    def check(self, name, source):
        """Run a whole check in the box, which its author has asked for, and see that it comes to its end.

        Here a learner's code can spoil the check, with more effort than the answer takes; so authors do it seldom.
        """
        token = self.box.token()
        end = f"\n__import__('IPython').get_ipython().display_pub.publish({{'application/x-answer': {token!r}}})"
        code = marshal.dumps(compile(source + end, name, "exec"))
        code = f"exec(__import__('marshal').loads({code!r}), get_ipython().user_ns)"
        status, outputs, answer = self.box.run(code, self.seconds, None, token)
        self.outputs += [out for out in outputs if out.output_type != "error"]
        if status == "stopped":
            raise Stopped("time limit, or too much output")
        errors = [out for out in outputs if out.output_type == "error"]
        if errors:
            raise error_like([errors[-1].ename], errors[-1].evalue)
        if answer != "":
            raise AnswerError("the check did not run to its end")

    def ask(self, far, **wish):
        name = wish.get("name", "")
        if far is not None:
            name = self.names.get((far._start, far._number), "")
            if far._start != self.box.starts:
                raise Stopped("the process in which this object was made has ended")
            wish["id"] = far._number
        if self.strikes.get(name, 0) >= 2:
            raise Stopped(f"{name} was stopped twice before, so it was not called again")
        token = self.box.token()
        code = f"__answer__({json.dumps(wish)!r}, {token!r})"
        try:
            status, outputs, text = self.box.run(code, self.end - self.box.used, self.called_back, token)
        except Stopped:
            self.strikes[name] = self.strikes.get(name, 0) + 1
            raise
        self.outputs += outputs
        if status == "stopped":
            self.strikes[name] = self.strikes.get(name, 0) + 1
            raise Stopped("time limit, or too much output")
        if text is None:
            raise Stopped("no answer came out of the box")
        try:
            reply = json.loads(text)
            if "error" not in reply:
                self.changed = {int(place): self.decode(new) for place, new in reply.get("changed", {}).items()}
                return self.decode(reply["v"])
            error = error_like(list(reply.get("kinds", ())), str(reply["error"]))
            error.told = str(reply.get("told", ""))
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
            raise AnswerError(f"what came out of the box is no data ({type(problem).__name__})") from None
        raise error

    def absorb(self, arguments):
        """Arrays that the answer changed are changed out here too, and random numbers that it drew are spent."""
        for place, new in self.changed.items():
            old = arguments[place] if 0 <= place < len(arguments) else None
            if type(old) is np.ndarray and type(new) is np.ndarray:
                if old.flags.writeable and (old.shape, old.dtype) == (new.shape, new.dtype):
                    old[...] = new
            elif type(old) is type(new) is np.random.Generator and type(old.bit_generator) is type(new.bit_generator):
                old.bit_generator.state = new.bit_generator.state
        self.changed = {}

    def called_back(self, text):
        """The learner's code calls a function that the check gave it."""
        try:
            wish = json.loads(text)
            function = self.functions[wish["function"]]
            value = function(*self.decode(wish["a"]), **self.decode(wish["k"]))
            return json.dumps({"v": self.encode(value)})
        except Exception as error:
            return json.dumps({"error": f"{type(error).__name__}: {error}"})

    def encode(self, x):
        if x is None or type(x) in (bool, float, str):
            return x
        if type(x) is int:
            return {"t": "int", "v": hex(x)}
        if type(x) is Far:
            return {"t": "far", "id": x._number}
        if type(x) in (tuple, list, set, frozenset):
            return {"t": type(x).__name__, "v": [self.encode(part) for part in x]}
        if type(x) is np.random.Generator:
            state = x.bit_generator
            return {"t": "random", "kind": type(state).__name__, "v": self.encode(state.state)}
        if type(x) is dict:
            return {"t": "dict", "v": [[self.encode(k), self.encode(v)] for k, v in x.items()]}
        tf = sys.modules.get("tensorflow")
        tensor = tf is not None and isinstance(x, (tf.Tensor, tf.Variable))
        if tensor or isinstance(x, (np.ndarray, np.generic)):
            array = np.array(x.numpy() if tensor else x, order="C")
            if array.dtype.kind in "biufcU":
                kind = "tensor" if tensor else "array" if isinstance(x, np.ndarray) else "scalar"
                kind = "variable" if tensor and isinstance(x, tf.Variable) else kind
                data = base64.b64encode(array.tobytes()).decode()
                return {"t": kind, "d": array.dtype.str, "s": list(array.shape), "v": data}
        try:  # into the box a pickle may go, out of it never
            return {"t": "pickle", "v": base64.b64encode(pickle.dumps(x)).decode()}
        except Exception:
            if not callable(x):
                raise TypeError(f"a check cannot hand a {type(x).__name__} to the answers") from None
        self.functions.append(x)
        return {"t": "function", "id": len(self.functions) - 1}

    def decode(self, x, depth=0):
        if x is None or type(x) in (bool, float, str):
            return x
        if depth > 10:
            raise ValueError("nested too deeply")
        kind = x["t"]
        if kind == "int":
            return int(x["v"], 16)
        if kind == "far":
            return Far(self, int(x["id"]), [str(name) for name in x["kinds"]][:50])
        if kind == "range":
            return range(*map(int, x["v"]))
        if kind == "random":
            random = np.random.Generator(np.random.PCG64())
            random.bit_generator.state = self.decode(x["v"], depth + 1)
            return random
        if kind == "dict":
            return {self.decode(k, depth + 1): self.decode(v, depth + 1) for k, v in x["v"]}
        if kind in ("tuple", "list", "set", "frozenset"):
            return getattr(builtins, kind)(self.decode(part, depth + 1) for part in x["v"])
        dtype = np.dtype(str(x["d"]))
        if kind not in ("tensor", "array", "scalar") or dtype.kind not in "biufcU":
            raise ValueError(f"{kind} of {dtype}")
        array = np.frombuffer(base64.b64decode(x["v"]), dtype).reshape([int(n) for n in x["s"]]).copy()
        if kind == "tensor":
            import tensorflow as tf

            return tf.constant(array)
        return array[()] if kind == "scalar" else array
