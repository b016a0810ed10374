"""Inside the kernel of a chapter: one core, a count of what TensorFlow compiles, and at the end what it all took."""

import os
import resource

import memory

COUNTS = {"programs": 0, "xla": 0}


def begin(core):
    """Keep to this core (None: to none), and count. Called before the chapter's first cell."""
    if core is not None:
        os.sched_setaffinity(0, {core})  # before TensorFlow makes its threads, of which it takes one for each core

    import vae_course  # noqa: F401, first: it chooses TensorFlow's settings

    from tensorflow.python.eager.polymorphic_function import tracing_compilation
    from tensorflow.python.framework import ops

    create, within = tracing_compilation._create_concrete_function, []

    def counted(function_type, type_context, func_graph, tracing_options):
        xla = bool((tracing_options.attributes or {}).get("_XlaMustCompile"))
        COUNTS["programs"] += not ops.inside_function()
        COUNTS["xla"] += xla and not any(within)
        within.append(xla)
        try:
            return create(function_type, type_context, func_graph, tracing_options)
        finally:
            within.pop()

    tracing_compilation._create_concrete_function = counted


def spent():
    """CPU seconds of the kernel and of what it started; its memory in bytes; the counts."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    return {"cpu": cpu, "peak": memory.peak(), "own": memory.own(), **COUNTS}
