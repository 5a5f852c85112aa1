"""Text made fit for each place where it is read: exact results, and what must not survive in any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stages.core import shown

HOSTILE = {
    "script": "</script><script>alert(1)</script>",
    "comment": "<!-- x --><![CDATA[",
    "newline": "a\naccuracy          1.0000\r\nholds",
    "escape": "\x1b[2K\x1b[1Aholds\x07\x9b1m",
    "direction": "abc\u202eslor\u2066\u200f",
    "line ends": "a\u2028b\u2029c\x0bd\x85e",
    "half a character": "a\ud800b",
    "picture": "!![x](http://host/x.png) ![y][z] <img src=x onerror=alert(1)>",
    "link": "[x](javascript:alert(1)) <http://host> [a]: http://host [^1]: x",
    "emphasis": "*a* **b** _c_ __d__ ~~e~~ a_b_c _d",
    "quote": "> a",
    "table": "a | b |\n| --- |",
    "heading": "# Plots",
    "list": "1. one",
    "rule": "---",
    "mention": "@everyone",
    "code": "``` `x` ~~~",
    "backslash": "\\[x](y) \\",
    "entity": "&lt;b&gt; &#64;all",
    "formula": '=HYPERLINK("http://host","x")',
    "macro": "@SUM(1+1)*cmd|' /C calc'!A0",
    "quoted formula": "'=1+1",
    "attribute": "\" onload=\"alert(1)' x='",
    "template": "<DVC_METRIC_TITLE>{plot_divs}${{ github.token }}",
}
GFM = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain text, é 漢", "plain text, é 漢"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[2Kholds\x00\x7f\x9b", r"\x1b[2Kholds\x00\x7f\x9b"),
        ("a\u202eb\u2028\ud800", r"a\u202eb\u2028\ud800"),
    ],
)
def test_a_terminal_gets_one_line_that_steers_nothing(text: str, line: str) -> None:
    assert shown.terminal(text) == line


def test_lines_after_the_first_pass_for_no_line_of_ours() -> None:
    assert shown.paragraphs("a\nb\n  c\x1b") == "a\n  b\n  c\\x1b"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("money-fx, 0.5 (a)", "money-fx, 0.5 (a)"),
        ("!![x](http://h/x)", r"!!\[x\](http://h/x)"),
        ("[0.1, 0.2] batch_size", "[0.1, 0.2] batch_size"),
        ("[x]: y, [x][y] [1](z)", r"\[x\]: y, \[x\]\[y\] \[1\](z)"),
        ("_a_ b*c|d $1$", r"\_a\_ b\*c\|d \$1\$"),
        ("a & b &lt;", r"a & b \&lt;"),
        ("> a", r"\> a"),
        ("1. one", "1\\. one"),
        ("- one", "\\- one"),
        ("---", "\\---"),
        ("-0.5", "-0.5"),
        ("@all", "@\u2060all"),
        ("# a\n# b", r"\# a\\n# b"),
    ],
)
def test_markdown_is_escaped(text: str, markdown: str) -> None:
    assert shown.markdown(text) == markdown


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_the_text_and_nothing_else(name: str) -> None:
    tokens = GFM.parse(shown.markdown(HOSTILE[name]))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert {child.type for child in tokens[1].children or []} <= {"text", "text_special"}
    text = "".join(child.content for child in tokens[1].children or [])
    assert text.replace("\u2060", "") == shown.terminal(HOSTILE[name]).strip(" ")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_markdown_table_has_the_cells_it_was_given(name: str) -> None:
    table = shown.markdown_table(["a", HOSTILE[name]], [["1", HOSTILE[name]], ["2", "b"]], [True, False])
    tokens = GFM.parse(table)
    assert tokens[0].type == "table_open"
    assert tokens[-1].type == "table_close"
    assert [token.content for token in tokens if token.type == "inline"][4:] == ["2", "b"]
    assert "image" not in {child.type for token in tokens for child in token.children or []}


@pytest.mark.parametrize("name", HOSTILE)
def test_html_is_text(name: str) -> None:
    text = shown.html(HOSTILE[name])
    assert not set("<>\"'\x1b\x07\u202e") & set(text)


def test_html_keeps_harmless_line_ends() -> None:
    assert shown.html("a\n<b>\t'\"&\x07") == "a\n&lt;b&gt;\t&#x27;&quot;&amp;\\x07"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_spreadsheet_computes_no_cell_and_the_text_can_be_had_again(name: str) -> None:
    cell = shown.cell(HOSTILE[name])
    assert cell[0] not in "=+-@"
    assert shown.uncelled(cell) == HOSTILE[name]


@given(st.text(alphabet="'=+-@ab", max_size=6))
def test_a_cell_is_undone_whatever_it_holds(text: str) -> None:
    assert shown.uncelled(shown.cell(text)) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_plotted_names_end_no_script(name: str) -> None:
    (plotted,) = shown.plotted([HOSTILE[name]])
    assert not set("<\n\x1b") & set(plotted)


def test_plotted_names_stay_apart() -> None:
    names = ["<a", "‹a", "‹a (2)", "macro average", "b", "\n", "\\n"]
    plotted = shown.plotted(names, ("macro average", "micro average"))
    assert plotted == ["‹a (3)", "‹a", "‹a (2)", "macro average (2)", "b", "\\n (2)", "\\n"]


@given(st.lists(st.text(alphabet="<‹a ()23\n\\", max_size=5), max_size=8, unique=True))
def test_plotted_names_are_as_many_as_before(names: list[str]) -> None:
    plotted = shown.plotted(names, ("a",))
    assert len({*plotted, "a"}) == len(names) + 1


def test_cut_says_that_something_is_left_out() -> None:
    assert (shown.cut("abcde", 5), shown.cut("abcdef", 5)) == ("abcde", "abcd…")


def test_what_is_no_text_is_json() -> None:
    assert [shown.plain(value) for value in ("a", 0.1, None, [1])] == ["a", "0.1", "null", "[1]"]
