"""Pushing a release to a Hugging Face hub. The token is the environment's or the hub's store's, never an argument."""

from __future__ import annotations

import re
from pathlib import Path

from stages.core.errors import InputError, reason


def push(folder: Path, repo: str, public: bool) -> str:
    """Upload the folder to the model repository `repo`, made if it is absent; return the address of the commit.

    Raises InputError when the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repo, repo_type="model", private=not public, exist_ok=True)
        done = api.upload_folder(repo_id=repo, folder_path=folder, repo_type="model", commit_message="Release")
    except Exception as error:  # the hub's, the transport's, the token's: each of kinds of its own
        raise InputError(f"--push: {repo}: {_without_tokens(reason(error))}") from None
    return str(done.commit_url)


def _without_tokens(text: str) -> str:
    return re.sub(r"hf_\w+", "hf_…", text)
