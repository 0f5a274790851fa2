"""When and where the graph runs: stages as Prefect tasks, the gate, the registry, the command line."""
