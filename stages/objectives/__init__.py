"""What is minimised: `train.objective`."""

from stages.interfaces import Objective
from stages.objectives.plain import Plain
from stages.objectives.smoothed import Smoothed

OBJECTIVES: dict[str, type[Objective]] = {"plain": Plain, "smoothed": Smoothed}
