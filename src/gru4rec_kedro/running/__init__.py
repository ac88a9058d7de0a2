"""What happens around the nodes of a run: its files of `conf/`, checks, locks, log, tracking."""
