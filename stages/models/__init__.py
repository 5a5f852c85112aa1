"""Models: read or drawn with a head, computed without padding where that is possible."""

from stages.models.adapted import save, tuned
from stages.models.batch import takes_segments
from stages.models.building import build, fit, load
from stages.models.forward import compute
from stages.models.packing import is_packed

__all__ = ["build", "compute", "fit", "is_packed", "load", "save", "takes_segments", "tuned"]
