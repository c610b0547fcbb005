"""Tab of the Attribution page: many maps at once, of one photo or of many."""
