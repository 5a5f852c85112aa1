"""Forgeries of verification that take more than one field: names, commits, claims, pages, and time."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.attacks.certificates import forged
from benchmarks.attacks.place import Attack, Broken, Place, told
from benchmarks.attacks.verifier import OUT, certified, git, uncertified
from stages.core import yaml12
from stages.core.files import canonical_json

FLAW = "`check` names a flaw, code 1, refuses it, code 2, or notes that it is not compared"


def _core(change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda stated: change(stated["predicate"]["core"])


def _nothing_compared(core: Any) -> None:
    core["outputs"] = {stage: {} for stage in core["outputs"]}
    for one in core["environments"].values():
        one["evidence"]["compared"] = dict.fromkeys(core["outputs"], 0)
        one["reason"] = "all 0 outputs have the same digest"


def _renamed(old: str, new: str) -> Callable[[Any], None]:
    def change(stated: Any) -> None:
        core, around = stated["predicate"]["core"], stated["predicate"]["circumstances"]
        core["environments"][new] = core["environments"].pop(old)
        for group in (around["seconds"], around["kills"]):
            if old in group:
                group[new] = group.pop(old)

    return change


def _invented(name: str) -> Callable[[Any], None]:
    def change(core: Any) -> None:
        core["environments"][name] = json.loads(json.dumps(core["environments"]["same"]))
        core["not_compared"] = [
            line for line in core["not_compared"] if f"environment {name.partition('=')[0]}:" not in line
        ]

    return _core(change)


def _subject(change: Callable[[list[Any]], Any]) -> Callable[[Any], None]:
    return lambda stated: change(stated["subject"])


FORGED: dict[str, Callable[[Any], None]] = {
    "no outputs in any stage": _core(_nothing_compared),
    "an environment hermetic that was not tried": _invented("hermetic"),
    "an environment threads that was not tried": _invented("threads"),
    "an environment workers=2 that was not tried": _invented("workers=2"),
    "an environment isa=avx2 that was not tried": _invented("isa=avx2"),
    "an environment interrupted=9": _renamed("interrupted", "interrupted=9"),
    "same is called hostile2": _renamed("same", "hostile2"),
    "same is called interpreter=/bin/true": _renamed("same", "interpreter=/bin/true"),
    "workers=1 is called workers=4": _renamed("workers=1", "workers=4"),
    "isa=default is called isa=avx2": _renamed("isa=default", "isa=avx2"),
    "kills that nobody made": lambda s: s["predicate"]["circumstances"]["kills"].pop("interrupted"),
    "kills of an environment that has none": lambda s: s["predicate"]["circumstances"]["kills"].update(same=[1]),
    "seconds of no environment": lambda s: s["predicate"]["circumstances"]["seconds"].update(x=1.0),
    "a subject left out": _subject(lambda found: found.pop()),
    "a subject twice": _subject(lambda found: found.append(found[0])),
    "a subject invented": _subject(lambda found: found.append({"name": "x", "digest": {"md5": "0" * 32}})),
    "a subject with sha512": _subject(lambda found: found[0]["digest"].update(sha512="0")),
    "a subject without sha256": _subject(lambda found: found[0]["digest"].pop("sha256")),
    "no subject": _subject(lambda found: found.clear()),
    "edits of params.yaml": _core(lambda core: core["edits"].update({"params.yaml": "0" * 64,
    "x/../dvc.lock": "0" * 64})),
    "a recipe that is not there": _core(lambda core: core.update(recipe="none")),
    "a recipe above": _core(lambda core: core.update(recipe="../params")),
    "another type": lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
    "version 1": lambda s: s.update(predicateType="urn:reprise:reproduction:v1"),
    "a key of ours in another case": _core(lambda core: core.update(Grade="BITWISE")),
    "a commit that is a branch's name": _core(lambda core: core.update(commit="b" * 40)),
    "a commit of 64 digits that is a branch's name": _core(lambda core: core.update(commit="b" * 64)),
    "a commit of 50 digits": _core(lambda core: core.update(commit="b" * 50)),
    "a commit in capitals": _core(lambda core: core.update(commit=core["commit"].upper())),
    "a commit and a line end": _core(lambda core: core.update(commit=core["commit"] + "\n")),
    "an option as commit": _core(lambda core: core.update(commit="--output=canary")),
    "the parent commit": _core(lambda core: core.update(commit="PARENT")),
    "a blob of the commit": _core(lambda core: core.update(commit="BLOB")),
}  # fmt: skip


def _forged(place: Place, value: tuple[str, Callable[[Any], None]]) -> str:
    reference, change = value
    project = certified(place, reference)

    def whole(stated: Any) -> None:
        change(stated)
        core = stated["predicate"]["core"]
        for name, revision in (("PARENT", "HEAD^"), ("BLOB", "HEAD:dvc.lock")):
            if core["commit"] == name:
                core["commit"] = git(project, "rev-parse", revision)

    return forged(place, reference, whole)


TEXTS = {
    "a key twice": lambda text: text.replace('"commit": "', '"commit": "' + "f" * 40 + '",\n      "commit": "', 1),
    "a grade twice": lambda text: text.replace('"grade": "BITWISE"', '"grade": "DIFFERENT", "grade": "BITWISE"', 1),
    "NaN": lambda text: text.replace('"had": {', '"had": {"x": NaN, ', 1),
    "1e400": lambda text: text.replace('"had": {', '"had": {"x": 1e400, ', 1),
    "a byte order mark": lambda text: "\ufeff" + text, "blanks": lambda text: text + "\n",
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "cut": lambda text: text[: len(text) // 2], "nothing": lambda text: "", "a list": lambda text: "[" + text + "]",
    "null": lambda text: "null",
    "deep": lambda text: "[" * 100_000, "a text": lambda text: '"x"',
    "escapes in a key": lambda text: text.replace('"grade"', '"gr\\u0061de"'),
    "half a pair": lambda text: text.replace('"recipe": null', '"recipe": "\\ud800"'),
    "a long number": lambda text: text.replace("null", "1" * 10_000, 1),
    "a number with an exponent": lambda text: text.replace('"weight": 0.001', '"weight": 1e-3'),
}  # fmt: skip


def _text(place: Place, change: Callable[[str], str]) -> str:
    project = certified(place, "committed")
    text = (project / OUT).read_text(encoding="utf-8")
    path = place.folder / "c.json"
    path.write_text(change(text), encoding="utf-8", newline="")
    if path.read_bytes().decode() == text:
        return "nothing to change here"
    ended = place.command("stages.verify", "check", str(path), cwd=project)
    return (
        ended.out.splitlines()[0][:160] if ended.code == 1 and ": holds\n" not in ended.out else told(ended, "verify")
    )


def _page(place: Place, value: tuple[str, str, str]) -> str:
    suffix, old, new = value
    project = place.folder / "project"
    shutil.copytree(certified(place, "committed"), project, symlinks=True)
    path = (project / OUT).with_suffix(suffix)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new) if old else text + new, encoding="utf-8")
    if path.read_text(encoding="utf-8") == text:
        return "nothing to change here"
    ended = place.command("stages.verify", "check", OUT, cwd=project)
    if ended.code != 1:
        raise Broken(f"code {ended.code}: {ended.out}{ended.err}")
    return ended.out.splitlines()[0][:160]


def _commit(place: Place, how: str) -> str:
    """Bend what the repository says of the commit."""
    project = place.copy()
    if how in ("git replace", "a graft"):
        tree = yaml12.values((project / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")
        tree["stages"]["finetune"]["params"]["params.yaml"]["seed"] = 7
        (project / "dvc.lock").write_text(canonical_json(tree), encoding="utf-8")
        git(project, "commit", "-qam", "false")
        false = git(project, "rev-parse", "HEAD")
        git(project, "replace", false, f"{false}^")
        if how == "a graft":
            (project / ".git/info").mkdir(exist_ok=True)
            (project / ".git/info/grafts").write_text(f"{false}\n")
            git(project, "replace", "-d", false)
        return uncertified(place, project, "--rev", false)
    if how == "a branch called HEAD":
        git(project, "branch", "-f", "refs", "HEAD^")
        (project / ".git/refs/heads/HEAD").write_text(git(project, "rev-parse", "HEAD^") + "\n")
        ended = place.command("stages.verify", "check", OUT, cwd=project)
        return "as without it" if ended.code in (0, 1, 2) and "Traceback" not in ended.err else told(ended)
    edits = {
        "lock edited and not committed": ("dvc.lock", "lr: ", "lr: 1"),
    }
    name, old, new = edits[how]
    path = project / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return uncertified(place, project, "--allow-dirty")


def _claims(place: Place, text: str) -> str:
    """Edit claims.yaml without a commit: the committed one must be judged, or the edit refused."""
    project = place.copy()
    path = project / "claims.yaml"
    before = place.command("stages.verify", "claims", "--only-kept", cwd=project)
    path.write_text(text.replace("OLD", path.read_text(encoding="utf-8")), encoding="utf-8")
    ended = place.command("stages.verify", "claims", "--only-kept", cwd=project)
    if ended.code == 2:
        return told(ended, "verify")
    if (ended.code, ended.out) != (before.code, before.out):
        raise Broken(f"the edit was judged: {ended.out[:200]}")
    return "judged as committed"


def _real(place: Place, edit: tuple[str, str]) -> str:
    """The whole of it, nothing stood in for: edit dvc.lock, commit, derive."""
    project = place.copy()
    path = project / "dvc.lock"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(*edit), encoding="utf-8")
    if path.read_text(encoding="utf-8") == text:
        raise RuntimeError("nothing was edited")
    git(project, "commit", "-qam", "edited")
    ended = place.program(sys.executable, "-m", "stages.verify", "--environments", "same", cwd=project, seconds=500)
    if ended.code != 1 or not ended.out.startswith("DIFFERENT"):
        raise Broken(f"code {ended.code}: {ended.out[-200:]}{ended.err[-200:]}")
    return json.loads((project / OUT).read_text(encoding="utf-8"))["predicate"]["core"]["environments"]["same"][
        "reason"
    ]


ATTACKS = (
    Attack("a forgery of several fields, digests and pages made anew", FLAW, _forged,
           {f"{reference}: {name}": (reference, change) for reference in ("committed", "derived") for name,
           change in FORGED.items()},
           seconds=240),
    Attack("a certificate whose text is bent", FLAW, _text, TEXTS),
    Attack("a page beside a certificate that says something else", "`check` names the page, code 1", _page, {
        f"{suffix}: {new or 'cut'}": (suffix, old, new) for suffix in (".md", ".html")
        for old, new in (("BITWISE", "BITWISE "), ("", "\n"), ("", "<!-- -->"), ("same", "any"))}),
    Attack("a repository that is bent around the commit", "the true commit is judged; nothing false is BITWISE",
        _commit,
           {how: how for how in ("git replace", "a graft", "a branch called HEAD",
           "lock edited and not committed")}),
    Attack("claims.yaml edited and not committed", "the committed one is judged, or the edit is refused", _claims, {
        "another number": "OLD\n# x\n", "nothing": "", "rubbish": "{", "an alias bomb": "a: &a [x]\nb: [*a]\n",
        "a tag": "!!python/name:os.system x\n"}),
    Attack("a real verification of a dvc.lock that says another rate or seed", "DIFFERENT, code 1, the key is named",
        _real, {
        "lr": ("lr: 0.002", "lr: 0.003"), "seed": ("seed: 42", "seed: 43")}, seconds=560),
)  # fmt: skip
