"""MATPOWER files as people write them: the same tables, or a refusal that names the line."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridstab import load_case
from gridstab.errors import CaseError
from gridstab.grids.matlab_tokens import MatlabError
from gridstab.grids.matpower import case_names, find_case
from gridstab.grids.matpower_file import read_tables

BUS = [
    [1, 3, 0, 0, 0, 0, 1, 1.02, 0, 138, 1, 1.1, 0.9],
    [2, 1, 80, 10, 0, 0, 1, 1, -1.5, 138, 1, 1.1, 0.9],
    [5, 1, 20, 0, 0, 0, 1, 0.98, 0, 138, 1, 1.1, 0.9],
]
GEN = [[1, 70, 0, 99, -99, 1, 100, 1, 200, 0], [5, 40, 0, 99, -99, 1, 100, 0, 200, 0]]
BRANCH = [
    [1, 2, 0.01, 0.1, 0, 0, 0, 0, 0, 0, 1, -360, 360],
    [2, 5, 0.01, 0.25, 0, 0, 0, 0, 0.95, 0, 1, -360, 360],
]


def rows(table: list[list[float]], between: str = " ", end: str = ";\n") -> str:
    return end.join(between.join(f"{number:g}" for number in row) for row in table)


def table(name: str, content: str) -> str:
    return f"mpc.{name} = [\n{content};\n];\n"


HEAD = "function mpc = small\nmpc.version = '2';\nmpc.baseMVA = 100;\n"
BUSES, GENERATORS, BRANCHES = (
    table(name, rows(content)) for name, content in (("bus", BUS), ("gen", GEN), ("branch", BRANCH))
)
BASE = HEAD + BUSES + GENERATORS + BRANCHES
FIRST = rows(BUS[:1])


def transposed(content: list[list[float]]) -> str:
    return rows([list(column) for column in zip(*content, strict=True)])


SAME = {
    "as it is": BASE,
    "commented base before": BASE.replace("mpc.baseMVA", "% mpc.baseMVA = 10;\nmpc.baseMVA"),
    "commented base behind": BASE + "%mpc.baseMVA = 10;\n",
    "commented base on its own line": BASE.replace("100;\n", "100; % mpc.baseMVA = 10;\n", 1),
    "Octave's comments": BASE.replace("mpc.bus", "# mpc.baseMVA = 10;\nmpc.bus"),
    "commented table": BASE.replace("mpc.bus", "% mpc.bus = [ 9 9 9 ];\nmpc.bus"),
    "commented table over lines": "".join(f"% {line}\n" for line in BUSES.splitlines()) + BASE,
    "block comment": f"%{{\nmpc.baseMVA = 10;\n{BUSES}%}}\n" + BASE,
    "block comment, indented": BASE + "  %{  \nmpc.baseMVA = 10;\n\t%}\n",
    "nested block comments": "%{\n%{\nmpc.baseMVA = 1;\n%}\nmpc.baseMVA = 10;\n%}\n" + BASE,
    "Octave's block comment": "#{\nmpc.baseMVA = 10;\n#}\n" + BASE,
    "braces that open no block": "%{ mpc.baseMVA = 10;\n" + BASE,
    "block comment in a table": BASE.replace("mpc.bus = [", "mpc.bus = [\n%{\n9 9 9;\n%}"),
    "the last of two assignments": HEAD.replace("100", "10") + BASE.split("\n", 1)[1],
    "the last of two tables": HEAD + table("bus", "9 9 9") + BASE.split("\n", 1)[1],
    "commas between elements": HEAD
    + "".join(
        table(name, rows(content, ", "))
        for name, content in (("bus", BUS), ("gen", GEN), ("branch", BRANCH))
    ),
    "commas without blanks": BASE.replace(BUSES, table("bus", rows(BUS, ","))),
    "commas at ends of rows": BASE.replace(BUSES, table("bus", rows(BUS, ",", ",\n"))),
    "tabs": BASE.replace(" ", "\t").replace("function\tmpc", "function mpc"),
    "rows by line alone": BASE.replace(BUSES, f"mpc.bus = [{rows(BUS, ' ', chr(10))}]\n"),
    "rows by semicolon alone": BASE.replace(BUSES, f"mpc.bus = [{rows(BUS, ' ', ';')}];\n"),
    "blank lines between rows": BASE.replace(BUSES, table("bus", rows(BUS, " ", ";\n\n \n"))),
    "comments behind rows": BASE.replace(BUSES, table("bus", rows(BUS, " ", "; % a row\n"))),
    "comments without semicolons": BASE.replace(BUSES, table("bus", rows(BUS, " ", " % row\n"))),
    "a comment behind the bracket": BASE.replace("mpc.bus = [", "mpc.bus = [ % ]; [ {"),
    "continuations": BASE.replace(" 138 ", " ... base\n 138 "),
    "a continuation at a number": BASE.replace(" 138 ", " 138...\n "),
    "a continuation of a statement": BASE.replace("mpc.bus =", "mpc.bus ... %\n = "),
    "no semicolons": BASE.replace("100;", "100").replace("];", "]"),
    "all on one line": BASE.replace("];\n", "]; ")
    .replace("';\n", "'; ")
    .replace("100;\n", "100, "),
    "no blanks": BASE.replace(" = ", "="),
    "many blanks": BASE.replace(" = ", "   =   ").replace("mpc.", "  mpc."),
    "carriage returns": BASE.replace("\n", "\r\n"),
    "carriage returns alone": BASE.replace("\n", "\r"),
    "a byte order mark": "\ufeff" + BASE,
    "exponents": BASE.replace("100;", "1e2;").replace(" 138 ", " 1.38E+2 "),
    "Fortran's exponents": BASE.replace("100;", "1d2;").replace(" 138 ", " 1380D-1 "),
    "points": BASE.replace("100;", "100.;").replace(" 0.1 ", " .1 ").replace(" 80 ", " 80. "),
    "signs": BASE.replace(" 80 ", " +80 ").replace(" -1.5 ", " - 1.5 ", 0),
    "unlimited": BASE.replace("99 -99", "Inf -Inf"),
    "a base that is calculated from numbers": BASE.replace("100;", "2 * (20 + 30) ^ 1;"),
    "elements that are calculated from numbers": BASE.replace(" 138 ", " 276/2 ").replace(
        " 80 ", " 160/sqrt(4) "
    ),
    "a difference in a row": BASE.replace(" 80 ", " 90 - 10 ").replace(" 20 ", " 10*2 "),
    "transposed": BASE.replace(BUSES, f"mpc.bus = [{transposed(BUS)}]';\n"),
    "transposed with a point": BASE.replace(BUSES, f"mpc.bus = [{transposed(BUS)}].';\n"),
    "strings with signs of comments": BASE.replace("= '2'", "= '2'; mpc.note = '50 % of [ {'"),
    "strings with quotes": BASE.replace("= '2'", "= '2'; mpc.note = 'it''s % 5'; mpc.b = \"a'%\""),
    "names of buses": BASE + "mpc.bus_name = {\n'One % 1'; 'O''Hare [';\n\"Six\"};\n",
    "a transposed cell": BASE + "mpc.bus_name = {'a' 'b' 'c'}';\n",
    "another name": BASE.replace("mpc", "s"),
    "a returned list of one": BASE.replace("function mpc =", "function [mpc] ="),
    "no header": BASE.split("\n", 1)[1],
    "an end": BASE + "end\n",
    "a function behind": BASE + "end\nfunction mpc = other\nmpc.baseMVA = 10;\n",
    "an unused field that computes": BASE + "mpc.gencost(:, 5) = mpc.gencost(:, 5) * 2;\n",
    "an unused table with text": BASE + "mpc.genfuel = {'coal'; 'wind'};\nmpc.areas = [1 a(2)];\n",
    "units that are converted": BASE.replace(" 80 ", " 80000 ").replace(" 20 ", " 20000 ")
    + "[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD] = idx_bus;\n"
    + "mpc.bus(:, PD) = mpc.bus(:, PD) / 1e3;\n",
    "units by number": BASE.replace(" 80 ", " 40 ").replace(" 20 ", " 10 ")
    + "mpc.bus(:, [3, 5]) = 2 .* mpc.bus(:, [3 5]);\n",
    "units by constants": BASE.replace(" 0.1 ", " 10 ").replace(" 0.25 ", " 25 ")
    + "define_constants;\nbase = mpc.bus(1, BASE_KV) - 38;\n"
    + "mpc.branch(:, BR_X) = mpc.branch(:, BR_X) / base;\n",
    "a branch that is never taken": BASE + "fixed = 0;\nif fixed\n mpc.gen(1, 2) = x(end);\nend\n",
}

COMPUTES = {
    "a masked entry": "mpc.gen(3, 8) = 0;",
    "an appended row": f"mpc.bus = [mpc.bus; {FIRST}];",
    "a row behind the end": f"mpc.bus(end+1, :) = [{FIRST}];",
    "a mask": "mpc.gen(mpc.gen(:, 1) == 5, 8) = 1;",
    "a found mask": "k = find(mpc.bus(:, 3) > 50);",
    "scaled loads": "mpc = scale_load(1.2, mpc);",
    "another case": "mpc = loadcase('case9');",
    "a loop": "for i = 1:3, mpc.bus(i, 3) = 0; end",
    "a condition": "if true, mpc.baseMVA = 10; end",
    "a comparison": "if 0 == 0, mpc.baseMVA = 10; end",
    "a switch": "switch 1, case 1, mpc.baseMVA = 10; end",
    "a call": "mpc.bus = makebuses(3);",
    "ones": "mpc.bus = ones(3, 13);",
    "a part": "mpc.branch = mpc.branch(1:1, :);",
    "deleted rows": "mpc.branch(2, :) = [];",
    "a sum of a column": "mpc.bus(:, 3) = mpc.bus(:, 3) + mpc.bus(:, 4);",
    "a constant column": "mpc.bus(:, 8) = 1;",
    "a variable": "mpc.baseMVA = base;",
    "an increment": "mpc.baseMVA += 5;",
    "a dynamic field": "mpc.('baseMVA') = 10;",
    "several at once": "[mpc.baseMVA, x] = deal(10, 2);",
    "an evaluated text": "eval('mpc.baseMVA = 10;');",
    "an evaluated text inside": "mpc.note = eval('mpc.baseMVA');",
    "matrices that are joined": f"mpc.bus = [[{FIRST}]; [{FIRST}]];",
    "a matrix that is multiplied": f"mpc.bus = [{FIRST}] * 2;",
    "text for a number": "mpc.baseMVA = '10';",
    "a cell for a table": "mpc.bus = {1, 2};",
    "an imaginary number": "mpc.baseMVA = 3i;",
    "a hexadecimal number": "mpc.baseMVA = 0x64;",
    "a missing element": "mpc.gen = [1, , 2];",
    "ragged rows": "mpc.gen = [1 2 3\n 4 5];",
    "an unclosed table": "mpc.gen = [1 2 3;",
    "an unclosed text": "mpc.note = 'abc;",
    "an unclosed block comment": "%{\nmpc.baseMVA = 10;",
    "what is never opened": "mpc.note = 3);",
    "another column": "mpc.bus(:, 14) = mpc.bus(:, 14) * 2;",
}


def tables(text: str) -> dict[str, list[list[float]]]:
    return {name: value.tolist() for name, value in read_tables(text).items()}


EXPECTED = {"baseMVA": [[100]], "bus": BUS, "gen": GEN, "branch": BRANCH}


@pytest.mark.parametrize("spelling", SAME)
def test_spellings_of_the_same_tables(spelling: str) -> None:
    expected = EXPECTED
    if spelling == "unlimited":
        unlimited = [[*row[:3], np.inf, -np.inf, *row[5:]] for row in GEN]
        expected = {**EXPECTED, "gen": unlimited}
    assert tables(SAME[spelling]) == expected


def test_spellings_give_the_same_grid(tmp_path: Path) -> None:
    path = tmp_path / "small.m"
    grids = []
    for text in SAME.values():
        path.write_text(text, newline="")
        grids.append(load_case(path, setting="case"))
    assert len(set(grids)) == 1
    assert {grid.labels for grid in grids} == {("1", "2", "5")}
    np.testing.assert_allclose(grids[0].power, [1.0, -0.8, -0.2])


@pytest.mark.parametrize("spelling", COMPUTES)
@pytest.mark.parametrize("setting", ["case", "homogeneous"])
def test_what_computes_is_refused_by_its_line(tmp_path: Path, spelling: str, setting: str) -> None:
    path = tmp_path / "small.m"
    path.write_text(BASE + COMPUTES[spelling] + "\n")
    number = BASE.count("\n") + (2 if spelling == "ragged rows" else 1)
    with pytest.raises(CaseError, match=rf"small\.m', line {number}: ") as caught:
        load_case(path, setting=setting)
    assert "\n" not in str(caught.value)


def test_the_refusal_quotes_the_statement() -> None:
    with pytest.raises(MatlabError, match=re.escape("line 17: mpc.gen(3, 8) = 0 computes; ")):
        read_tables(BASE + "  mpc.gen(3, 8) = 0;  \n")


ENDINGS = st.sampled_from([";\n", "\n", "; ", " ;\r\n", "; % x ]\n", ";;\n\n", " # 5 6 7\n", ",\n"])
BETWEEN = st.sampled_from([" ", "\t", ", ", ",", "  ", " ...\n  ", " ,... % [\n"])


def spelled(number: float) -> st.SearchStrategy[str]:
    forms = [repr(number), f"{number:+.17g}", f"{number:.17e}", f"{number:.17e}".replace("e", "d")]
    return st.sampled_from(
        [*forms, f"({number!r})", f"{number!r}/1", f"+{abs(number)!r}"][: 6 + (number >= 0)]
    )


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_spelling_of_a_table_holds_its_numbers(data: st.DataObject) -> None:
    shape = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    number = st.floats(allow_nan=False, allow_infinity=False, width=64)
    content = [[data.draw(number) for _ in range(shape[1])] for _ in range(shape[0])]
    text = "".join(
        data.draw(BETWEEN).join([data.draw(spelled(number)) for number in row]) + data.draw(ENDINGS)
        for row in content
    )
    assert tables(f"function s = f\ns.bus = [{text}];") == {"bus": content}


@given(st.text("0123456789.eE+-*/^()[]{};:,'\"%#\n \t=abmpc.busgen~", max_size=80))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    refusal = ""
    try:
        read_tables(text)
    except MatlabError as error:
        refusal = str(error)
    assert re.fullmatch(r"(line \d+: [^\n]+)?", refusal)


@pytest.mark.parametrize(
    "text",
    [
        "mpc.bus = [" + "1 2 3\n" * 50_000,
        "mpc.bus = [" + "1 2, 3 - 1\n" * 3_000,
        "mpc.bus = [" + "1 " * 30_000,
        "mpc.bus = " + "[" * 300_000,
        "mpc.baseMVA = " + "(" * 300_000,
        "mpc.baseMVA = " + "-" * 30_000,
        "mpc.gencost = [" + "1 2 x\n" * 6_000,
        "mpc.note = {" + "'a % [' " * 6_000,
        "%{\n" * 100_000,
        "% " * 200_000 + "\n" + "mpc." * 10_000 + "note = [",
        "mpc.bus = [" + "...\n" * 100_000,
        "mpc.baseMVA = " + "9" * 3_000_000 + "x",
    ],
    ids=lambda text: text[:24],
)
def test_long_files_that_never_close_end(text: str) -> None:
    """Reading is linear: none of these takes more than seconds."""
    with pytest.raises(MatlabError, match=r"^line \d+: .{1,300}$"):
        read_tables(text)


def test_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "small.m"
    text = BASE.replace("mpc.bus =", "% Zürich – Genève\nmpc.bus_name = {'Zürich'};\nmpc.bus =")
    grid = None
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "mac_roman"):
        path.write_bytes(text.encode(encoding))
        loaded = load_case(path, setting="case")
        assert grid is None or loaded == grid
        grid = loaded
    path.write_bytes(text.replace("–", "は").encode("shift_jis", errors="replace"))
    assert load_case(path, setting="case") == grid


def declared_elsewhere(name: str) -> dict[str, np.ndarray]:
    """The tables by ``matpowercaseframes``, and the conversions by hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from matpowercaseframes import CaseFrames

        frames = CaseFrames(str(find_case(name)))

    def number(entry: object) -> float:
        if not isinstance(entry, str):
            return float(entry)  # type: ignore[arg-type]
        match = re.fullmatch(r"(-?[\d.]+)/(?:sqrt\((\d+)\)|(\d+))", entry)
        if match is None:
            return float(entry)
        return float(match[1]) / (np.sqrt(float(match[2])) if match[2] else float(match[3]))

    found = {"baseMVA": np.array([[number(frames.baseMVA)]])}
    for table in ("bus", "gen", "branch", "dcline"):
        if table in frames.attributes:
            content = getattr(frames, table)
            found[table] = np.array([[number(entry) for entry in row] for row in content.values])
    if name in KILOWATTS:
        found["bus"][:, 2:4] /= 1e3
    if name in OHMS:
        base = (found["bus"][0, 9] * 1e3) ** 2 / (found["baseMVA"][0, 0] * 1e6)
        found["branch"][:, 2:4] /= base
    if name == "case141":
        found["bus"][:, 3] = found["bus"][:, 2] * np.sin(np.arccos(0.85))
        found["bus"][:, 2] *= 0.85
    return found


_OHMS = """10ba 118zh 12da 136ma 141 15da 16am 16ci 22 28da 33bw 33mg 34sa 38si 51ga 51he 69 70da
74ds 85 94pi"""
OHMS = {f"case{name}" for name in _OHMS.split()}
KILOWATTS = {*OHMS, "case15nbr", "case18nbr"}


def assert_read_as_elsewhere(name: str) -> None:
    ours = read_tables(find_case(name).read_text("latin-1"))
    theirs = declared_elsewhere(name)
    assert ours.keys() == theirs.keys()
    for table, values in theirs.items():
        np.testing.assert_allclose(ours[table], values, rtol=1e-15, atol=0, err_msg=table)


def size(name: str) -> int:
    return 0 if name == "texas" else find_case(name).stat().st_size


def test_the_packages_cases_are_read_as_by_another_reader() -> None:
    names = [name for name in case_names() if 0 < size(name) < 150_000]
    assert len(names) > 45
    for name in names:
        assert_read_as_elsewhere(name)


@pytest.mark.slow
def test_the_packages_large_cases_are_read_as_by_another_reader() -> None:
    for name in case_names():
        if size(name) >= 150_000:
            assert_read_as_elsewhere(name)
