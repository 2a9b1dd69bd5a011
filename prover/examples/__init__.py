"""Small models that train in seconds, for tests, demonstrations and benchmarks."""
