"""The watcher: re-runs every claim, and disputes the wrong ones."""
