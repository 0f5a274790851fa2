"""Run the graph: stages as Prefect tasks, progress, recovery after a crash."""
