"""The rules that notebooks keep. A rule takes a notebook and its path and yields what breaks it, in words."""

import ast
import re

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
HIDDEN = "### BEGIN HIDDEN TESTS"
PARTS = ["Goals", "Before you start", "Level", "Time", "Summary", "Common mistakes", "Exercises"]
PARTS.append("Further reading")
PLT = {"subplots", "subplot_mosaic", "figure", "show", "close", "get_cmap", "cm"}  # and classes
SHOULD_RAISE = "raises-exception"


def markdown(nb):
    return [cell.source for cell in nb.cells if cell.cell_type == "markdown"]


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def grader(cell):
    return cell.metadata.get("nbgrader", {})


def is_check(cell):
    """A cell that is graded automatically."""
    return cell.cell_type == "code" and bool(grader(cell).get("grade")) and not grader(cell).get("solution")


def is_hole(cell):
    """A code cell that a learner completes and later cells check; an open challenge is not checked."""
    if grader(cell).get("grade_id", "").startswith("challenge"):
        return False
    return cell.cell_type == "code" and bool(grader(cell).get("solution")) and not grader(cell).get("grade")


def lines(source):
    """Lines of code: no empty ones, no comments."""
    return [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]


def parsed(source):
    return ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source))


def asserts(source):
    return [node for node in ast.walk(parsed(source)) if isinstance(node, ast.Assert)]


def output_text(cell):
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield from (str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/"))


def without_math(source):
    return re.sub(r"\$\$.*?\$\$|\$[^$\n]*\$", " ", source, flags=re.DOTALL)


# --- every notebook -------------------------------------------------------------------------------


def installs_nothing(nb, path):
    for cell in code(nb):
        if re.search(r"(?m)^\s*[!%]\s*(pip|conda|apt)", cell.source):
            yield f"{cell.id} installs packages"


def keeps_pyplot_local(nb, path):
    for cell in code(nb):
        for node in ast.walk(parsed(cell.source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "plt":
                if node.attr not in PLT and not node.attr[0].isupper():
                    yield f"{cell.id} uses plt.{node.attr}: take an Axes from plt.subplots"


def stays_in_the_graph(nb, path):
    for cell in code(nb):
        if re.search(r"\.(numpy_function|py_function)\b", cell.source):
            yield f"{cell.id} uses a numpy function inside TensorFlow's graph"


def names_no_machine(nb, path):
    for cell in nb.cells:
        for content in (cell.source, *output_text(cell)):
            if found := re.search(
                r"(?<![\w.:/])/(home|root|work|tmp|Users|mnt|opt|usr|var)/\S*|\.\./shared\S*", content
            ):
                yield f"{cell.id} holds a path of one machine: {found.group()}"


def links_resolve(nb, path):
    for source in markdown(nb):
        for link in re.findall(r"\]\(([^)\s]+)[^)]*\)", without_math(source)):
            target = link.split("#")[0]
            if target and not re.match(r"[a-z]+:", link) and not (path.parent / target).exists():
                yield f"the link to {link} leads nowhere"


def asserts_explain(nb, path):
    for cell in code(nb):
        for node in asserts(cell.source):
            if node.msg is None:
                yield f"{cell.id} asserts without a message: {ast.unparse(node)}"


def imports_the_course_first(nb, path):
    source = "\n".join(cell.source for cell in code(nb))
    ours = re.search(r"(?m)^\s*(import|from) vae_course", source)
    theirs = re.search(r"(?m)^\s*(import|from) (tensorflow|keras|tensorflow_probability)\b", source)
    if theirs and not (ours and ours.start() < theirs.start()):
        yield "vae_course, which sets TensorFlow's defaults, is to be imported first"


EVERY = [installs_nothing, keeps_pyplot_local, stays_in_the_graph, names_no_machine, links_resolve]
EVERY += [asserts_explain, imports_the_course_first]


# --- chapters and solutions, which are executed ---------------------------------------------------


def is_executed(nb, path):
    if [cell.execution_count for cell in code(nb)] != list(range(1, len(code(nb)) + 1)):
        yield "the cells were not executed in order, from the first to the last"
    for cell in code(nb):
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised != (SHOULD_RAISE in cell.metadata.get("tags", [])):
            yield f"{cell.id} " + (f"raised, without the tag {SHOULD_RAISE}" if raised else "was to raise, and did not")


def prints_nothing_volatile(nb, path):
    for cell in code(nb):
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"{cell.id} writes to stderr: a warning is to be mended or explained, not kept"
        if any(re.search(r"\b0x[0-9a-f]{6,}", content) for content in output_text(cell)):
            yield f"{cell.id} prints an address: end a plot with plt.show()"


def figures_are_read(nb, path):
    for cell, after in zip(nb.cells, [*nb.cells[1:], None]):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            if after is None or after.cell_type != "markdown" or len(after.source.split()) < 8:
                yield f"the figure of {cell.id} is not followed by a sentence that says what it shows"


EXECUTED = [is_executed, prints_nothing_volatile, figures_are_read]


# --- chapters -------------------------------------------------------------------------------------


def has_a_title(nb, path):
    if nb.cells[0].cell_type != "markdown" or not re.match(rf"# {path.stem[:2]}\. \S", nb.cells[0].source):
        yield f"it does not begin with '# {path.stem[:2]}. Title'"


def has_all_parts(nb, path):
    for part in PARTS:
        if not re.search(rf"(?mi)(^#+ *|\*\*){part}\b", "\n".join(markdown(nb))):
            yield f"there is no '{part}'"


def has_the_rhythm(nb, path):
    if not 25 <= len(nb.cells) <= 60:
        yield f"{len(nb.cells)} cells; 25 to 60 are read"
    for cell in code(nb):
        if len(cell.source.splitlines()) > 25:
            yield f"{cell.id} has {len(cell.source.splitlines())} lines; at most 25"
        if max(map(len, cell.source.splitlines()), default=0) > 96:  # JupyterLab cuts more on a laptop
            yield f"{cell.id} has a line of more than 96 columns"
    words = sum(len(re.findall(r"[A-Za-z][\w'-]*", without_math(source))) for source in markdown(nb))
    count = sum(len(lines(cell.source)) for cell in code(nb))
    if words < 5 * count:
        yield f"{words} words for {count} lines of code; at least five a line"


def checks_its_claims(nb, path):
    if sum(bool(asserts(cell.source)) for cell in code(nb)) < 3:
        yield "fewer than three cells check what the text claims"


CHAPTER = [has_a_title, has_all_parts, has_the_rhythm, checks_its_claims]


# --- solutions ------------------------------------------------------------------------------------


def has_its_exercises(nb, path):
    headings = re.findall(r"(?m)^#+ +(.*)$", "\n".join(markdown(nb)))
    count = sum(bool(re.match(r"Exercise \d", heading)) for heading in headings)
    if not 3 <= count <= 6:
        yield f"{count} headings 'Exercise n'; 3 to 6"
    for kind in ("repair this", "open challenge"):
        if not any(kind in heading.lower() for heading in headings):
            yield f"no heading says '{kind}'"
    if not any(cell.cell_type == "markdown" and grader(cell).get("grade") for cell in nb.cells):
        yield "no question is answered in words"


def holes_are_narrow(nb, path):
    for cell in filter(is_hole, nb.cells):
        if BEGIN not in cell.source:
            yield f"{cell.id} is a hole without '{BEGIN}'"
            continue
        for region in cell.source.split(BEGIN)[1:]:
            if not 1 <= len(lines(region.split(END)[0])) <= 8:
                yield f"the hole of {cell.id} takes {len(lines(region.split(END)[0]))} lines; 1 to 8"


def holes_are_checked(nb, path):
    cells = [cell for cell in nb.cells if is_hole(cell) or is_check(cell)]
    for number, cell in enumerate(cells):
        if is_hole(cell):
            following = []
            for other in cells[number + 1 :]:
                if is_hole(other):
                    break
                following.append(other.source)
            if not any(asserts(source.split(HIDDEN)[0]) for source in following):
                yield f"no visible check follows {cell.id}"
            if not any(HIDDEN in source and asserts(source.split(HIDDEN)[1]) for source in following):
                yield f"no hidden check follows {cell.id}"


def grading_is_sound(nb, path):
    names = [grader(cell)["grade_id"] for cell in nb.cells if grader(cell)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the grade_id {name} is used twice"
    for cell in nb.cells:
        if grader(cell) and not (grader(cell).get("grade") or grader(cell).get("solution")):
            yield f"{cell.id} is read-only: nbgrader cannot restore the test cell after it"
        if grader(cell).get("grade") and not grader(cell).get("points", 0) > 0:
            yield f"{cell.id} is graded and gives no points"
        if is_check(cell):
            if "guard()" not in cell.source:
                yield f"{cell.id} is graded without a guard"
            if any(output.output_type == "execute_result" for output in cell.outputs):
                yield f"{cell.id} ends in a value, which nbgrader takes for the points"


SOLUTION = [has_its_exercises, holes_are_narrow, holes_are_checked, grading_is_sound]


# --- exercises ------------------------------------------------------------------------------------


def leaks_nothing(nb, path):
    for cell in nb.cells:
        for word in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "guard()"):
            if word in cell.source:
                yield f"{cell.id} holds '{word}'"
        if cell.get("outputs") or cell.get("execution_count"):
            yield f"{cell.id} holds outputs"
        if is_hole(cell) and "NotImplementedError" not in cell.source:
            yield f"{cell.id} is no hole any more"
        if is_check(cell) and not asserts(cell.source) and "hidden checks" not in cell.source:
            yield f"{cell.id} shows a learner no check"


def holds_no_answer(nb, solution):
    """Every cell is there, and every line of an answer is gone."""
    given = {cell.id: cell.source for cell in nb.cells}
    for cell in solution.cells:
        if cell.id not in given:
            yield f"{cell.id} is missing"
        elif BEGIN in cell.source:
            answers = [part.split(END)[0] for part in cell.source.split(BEGIN)[1:]]
            for line in {line.strip() for answer in answers for line in lines(answer) if len(line.strip()) > 12}:
                if line in given[cell.id]:
                    yield f"{cell.id} still holds the answer '{line}'"


EXERCISE = [leaks_nothing]


def broken(rules, nb, path):
    """What breaks any of the rules: 'rule: what is wrong'."""
    return [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(nb, path)]
