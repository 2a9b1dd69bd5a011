"""The explorer: a page that shows claims and their state live, and a dispute as the descent from trace to element."""
