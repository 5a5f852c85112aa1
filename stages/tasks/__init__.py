"""What is learnt: `task.name`."""

from stages.interfaces import Task
from stages.tasks.classification import Classification

TASKS: dict[str, type[Task]] = {"classification": Classification}
