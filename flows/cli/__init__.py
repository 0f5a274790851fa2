"""The command line: `tandem`."""
