"""Settings of all tests: hypothesis without a deadline, for other work may share the machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("reprise", settings(), deadline=None)
settings.load_profile("reprise")
