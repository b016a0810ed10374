"""What the boxed kernel runs first: it carries out calls that come from outside and answers in plain data.

A learner may find and replace it. That changes what leaves the box, and nothing else: no check runs in here.
"""


def install():
    import base64
    import builtins
    import functools
    import itertools
    import json
    import linecache
    import pickle
    import sys
    import traceback

    import numpy as np
    from IPython import get_ipython

    shell, kept, changed = get_ipython(), [], {}

    def is_tensor(x):
        tf = sys.modules.get("tensorflow")
        return tf is not None and isinstance(x, (tf.Tensor, tf.Variable))

    def is_keras_variable(x):
        keras = sys.modules.get("keras")
        return keras is not None and isinstance(x, keras.Variable)

    def encode(x, depth=0):
        """Plain data as JSON; anything else stays here, and a number that stands for it goes out."""
        if x is None or type(x) in (bool, float, str):
            return x
        if type(x) is int:
            return {"t": "int", "v": hex(x)}
        if depth > 8:
            raise TypeError("the answer is nested too deeply")
        if type(x) in (tuple, list, set, frozenset):
            return {"t": type(x).__name__, "v": [encode(part, depth + 1) for part in x]}
        if isinstance(x, dict):
            return {"t": "dict", "v": [[encode(k, depth + 1), encode(v, depth + 1)] for k, v in x.items()]}
        if type(x) is range:
            return {"t": "range", "v": [x.start, x.stop, x.step]}
        if is_keras_variable(x):
            x = x.value
        if isinstance(x, np.random.Generator):
            state = x.bit_generator
            return {"t": "random", "kind": type(state).__name__, "v": encode(state.state)}
        tensor = is_tensor(x)
        if tensor or isinstance(x, (np.ndarray, np.generic)):
            array = np.array(x.numpy() if tensor else x, order="C", subok=False)
            if array.dtype.kind in "biufcU":
                kind = "tensor" if tensor else "array" if isinstance(x, np.ndarray) else "scalar"
                data = base64.b64encode(array.tobytes()).decode()
                return {"t": kind, "d": array.dtype.str, "s": list(array.shape), "v": data}
        kept.append(x)
        kinds = [f"{kind.__module__}:{kind.__qualname__}" for kind in type(x).__mro__]
        return {"t": "far", "id": len(kept) - 1, "kinds": kinds}

    def decode(x):
        if not isinstance(x, dict):
            return x
        kind = x["t"]
        if kind == "int":
            return int(x["v"], 16)
        if kind == "far":
            return kept[x["id"]]
        if kind == "function":
            return lambda *a, **k: from_outside(x["id"], a, k)
        if kind == "pickle":
            return pickle.loads(base64.b64decode(x["v"]))
        if kind == "range":
            return range(*x["v"])
        if kind == "random":
            random = np.random.Generator(getattr(np.random, x["kind"])())
            random.bit_generator.state = decode(x["v"])
            return random
        if kind == "dict":
            return {decode(k): decode(v) for k, v in x["v"]}
        if kind in ("tuple", "list", "set", "frozenset"):
            return getattr(builtins, kind)(map(decode, x["v"]))
        array = np.frombuffer(base64.b64decode(x["v"]), x["d"]).reshape(x["s"]).copy()
        if kind in ("tensor", "variable"):
            tf = sys.modules["tensorflow"]
            return tf.constant(array) if kind == "tensor" else tf.Variable(array)
        return array[()] if kind == "scalar" else array

    def from_outside(number, arguments, keywords):
        """Call a function of the check, which stays outside, over the channel on which input() would ask."""
        question = {"function": number, "a": encode(arguments), "k": encode(keywords)}
        reply = json.loads(shell.kernel.raw_input(json.dumps(question)))
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return decode(reply["v"])

    def carry_out(wish):
        kind = wish["do"]
        if kind == "name":
            first, *rest = wish["name"].split(".")
            return functools.reduce(getattr, rest, shell.user_ns[first])
        if kind == "define":
            source, place = wish["source"], f"<check {len(kept)}>"
            linecache.cache[place] = (len(source), None, source.splitlines(True), place)  # tf.function reads it
            exec(compile(source, place, "exec"), shell.user_ns)
            return None
        target = kept[wish["id"]]
        if kind == "attribute":
            return getattr(target, wish["name"])
        if kind == "set":
            return setattr(target, wish["name"], decode(wish["v"]))
        if kind == "item":
            return target[decode(wish["v"])]
        if kind == "length":
            return len(target)
        if kind == "all":
            return list(itertools.islice(target, 100_000))
        arguments = decode(wish["a"])
        value = target(*arguments, **decode(wish["k"]))
        for place, (old, new) in enumerate(zip(wish["a"]["v"], arguments)):
            if isinstance(old, dict) and old["t"] in ("array", "random") and encode(new) != old:
                changed[place] = encode(new)  # the caller's array or random numbers are to change, too
        return value

    def answer(text, token):
        changed.clear()
        try:
            reply = {"v": encode(carry_out(json.loads(text))), "changed": changed}
        except BaseException as error:
            told = traceback.format_exc()[-3000:]
            kinds = [kind.__name__ for kind in type(error).__mro__]
            reply = {"error": f"{type(error).__name__}: {error}"[:1000], "kinds": kinds, "told": told}
        shell.display_pub.publish({"application/x-answer": token + json.dumps(reply)})

    shell.user_ns["__answer__"] = answer


install()
del install
