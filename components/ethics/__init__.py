"""The filter of harmful queries: sentence lists, a classifier, and calibrated thresholds."""
