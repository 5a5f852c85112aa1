"""MLflow: a run of the experiment `reprise`, where MLFLOW_TRACKING_URI says; without it in mlflow.db, here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

EXPERIMENT = "reprise"
HERE = "sqlite:///mlflow.db"
LONGEST = 6000  # characters of a param's value, MLflow's own limit


class MLflow:
    """One run."""

    def __init__(self, name: str, params: Mapping[str, Any]) -> None:
        from mlflow.tracking import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI") or HERE
        self._client = MlflowClient(tracking_uri=uri)
        title = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(title)
        experiment = found.experiment_id if found else self._client.create_experiment(title)
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in params.items():
            self._client.log_param(self._run, key, str(value)[:LONGEST])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Show the values of a step."""
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, step=step)

    def end(self, step: int, summary: Mapping[str, float], record: Mapping[str, Any], succeeded: bool) -> None:
        """Show what came out of all `step` steps, and close."""
        self.log(step, summary)
        for key, value in record.items():
            self._client.set_tag(self._run, key, str(value))
        self._client.set_terminated(self._run, "FINISHED" if succeeded else "FAILED")
