"""Workers are processes (DESIGN §4.4): one command starts them, watches them and ends with them."""
from __future__ import annotations
