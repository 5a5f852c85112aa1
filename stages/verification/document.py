"""A page of text, a picture and tables: as Markdown, and as HTML that needs nothing but itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core import shown
from stages.core.files import outputs

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
.grade{font-size:3.5rem;line-height:1.5;margin:0}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ccc;padding:.35rem .6rem;text-align:left;vertical-align:top}
code{font-size:.9em;overflow-wrap:anywhere}"""

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True)
class Document:
    """What the page says, as plain text."""

    title: str
    lead: tuple[str, ...]  # paragraphs
    tables: dict[str, Table]  # heading -> head and rows; the first comes before the picture
    picture: str = ""  # SVG
    said: str = ""  # by it who does not see the picture
    notes: tuple[str, ...] = ()  # below all
    grade: str = ""  # colour of a title that is a grade: shown large


def written(found: Document, beside: Path) -> str:
    """Write the page and its picture, if it has one, where `files` says; return their names."""
    contents = files(found, beside)
    with outputs(*contents) as staged:
        for path, content in zip(staged, contents.values(), strict=True):
            path.write_text(content, encoding="utf-8", newline="\n")
    first, *others = contents
    *middle, last = (path.suffix for path in others)
    return f"{', '.join([str(first), *middle])} and {last}"


def files(found: Document, beside: Path) -> dict[Path, str]:
    """Return the content of the files that hold the page: those with the suffixes .md, .html and .svg of `beside`."""
    text, rich, picture = (beside.with_suffix(suffix) for suffix in (".md", ".html", ".svg"))
    pages = {text: markdown(found, picture.name if found.picture else ""), rich: page(found)}
    return {**pages, picture: found.picture} if found.picture else pages


def markdown(found: Document, picture: str = "") -> str:
    """Return the page as Markdown; `picture` is the name of the picture's file beside it, if there is one."""
    m = shown.markdown
    parts = [f"# {m(found.title)}", *map(m, found.lead)]
    for place, (heading, (head, rows)) in enumerate(found.tables.items()):
        parts += [f"## {m(heading)}", shown.markdown_table(head, rows).strip()]
        parts += [f"![{m(found.said)}]({picture})"] if picture and place == 0 else []
    return "\n\n".join([*parts, *map(m, found.notes)]) + "\n"


def page(found: Document) -> str:
    """Return the page as HTML without scripts, fonts or pictures from elsewhere."""
    e = shown.html
    large = f' class="grade" style="color:{found.grade}"' if found.grade else ""
    parts = [f"<h1{large}>{e(found.title)}</h1>", *(f"<p>{e(text)}</p>" for text in found.lead)]
    for place, (heading, (head, rows)) in enumerate(found.tables.items()):
        names = "".join(f"<th>{e(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{e(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        parts += [f"<h2>{e(heading)}</h2>", f"<table><thead><tr>{names}</tr></thead><tbody>\n{body}</tbody></table>"]
        parts += [found.picture] if place == 0 else []
    parts += [f"<p>{e(text)}</p>" for text in found.notes]
    top = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{e(found.title)}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{top}<style>{STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
