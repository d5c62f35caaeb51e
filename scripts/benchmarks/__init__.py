"""The side-by-side run of `scripts/bench`. It never asserts: it measures and prints."""
