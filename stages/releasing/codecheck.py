"""codecheck.yml, the configuration of a CODECHECK (Nüst and Eglen 2021, doi:10.12688/f1000research.51738.2), v1.0.

What only the checker knows (who, when, certificate) is left for the checker.
"""

from __future__ import annotations

import yaml

from stages.project import lock
from stages.releasing.croissant import authors
from stages.releasing.facts import Facts

NAME = "codecheck.yml"
VERSION = "https://codecheck.org.uk/spec/config/1.0/"


def text(facts: Facts) -> str:
    """Return the file."""
    outs = sorted(lock.outputs(facts.locked).items())
    found = {
        "version": VERSION,
        "paper": {
            "title": str(facts.citation.get("title", facts.name)),
            "authors": [{"name": name} for name in authors(facts)],
            "reference": str(facts.citation.get("doi") or facts.repository or facts.commit),
        },
        "repository": facts.repository or facts.commit,
        "manifest": [{"file": path, "comment": f"MD5 {md5} in dvc.lock"} for path, md5 in outs],
        "summary": f"make repro at commit {facts.commit}, then git diff --exit-code HEAD dvc.lock",
    }
    return yaml.safe_dump(found, sort_keys=True, allow_unicode=True, width=110)
