"""Speed, as ratios to a baseline that was measured in the same run."""
